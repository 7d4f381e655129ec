"""Devices of this machine in a container: ``--device``, ``--device-cgroup-rule``, ``--privileged``.

Paths are resolved here, on the host, by the user's own word; what is handed on is type and number.
"""

from __future__ import annotations

import os
import stat

from plugrun.errors import IsolationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.model.fence import DeviceMapping
    from plugrun.model.spec import Device, DeviceRule

# What lies in /dev and is no device, or is each container's own; runc leaves out the same.
_NOT_SHARED = frozenset(("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"))
_NOT_GIVEN = frozenset(("/dev/console", "/dev/ptmx"))


def mapped_devices(mapping: DeviceMapping) -> Iterator[Device]:
    """Yield the devices that one ``--device`` names: one, or all in a folder.

    Raise IsolationError, in Docker's words, for what is missing or no device.
    """
    source = os.path.realpath(mapping.source)
    wrong = f'error gathering device information while adding custom device "{mapping.source}"'
    try:
        facts = os.stat(source)
    except OSError as error:
        why = (error.strerror or "unreadable").lower()
        raise IsolationError(f"{wrong}: {why}", hint="name a device of this machine") from None
    if stat.S_ISDIR(facts.st_mode):
        yield from _in_folder(source, mapping.target, frozenset())
        return
    device = _device(mapping.target, facts)
    if device is None:
        raise IsolationError(f"{wrong}: not a device node")
    yield device


def every_device() -> Iterator[Device]:
    """Yield all devices in /dev."""
    for device in _in_folder("/dev", "/dev", _NOT_SHARED):
        if device["path"] not in _NOT_GIVEN:
            yield device


def _in_folder(folder: str, target: str, left_out: frozenset[str]) -> Iterator[Device]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # gone since it was listed
    for entry in entries:
        place = os.path.join(target, entry.name)
        if entry.name in left_out:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _in_folder(entry.path, place, left_out)
            continue
        try:
            device = _device(place, entry.stat(follow_symlinks=False))
        except OSError:
            continue
        if device is not None:
            yield device


def _device(path: str, facts: os.stat_result) -> Device | None:
    kinds = ((stat.S_ISCHR, "c"), (stat.S_ISBLK, "b"))
    kind = next((letter for is_kind, letter in kinds if is_kind(facts.st_mode)), "")
    if not kind:
        return None
    return {
        "path": path,
        "type": kind,
        "major": os.major(facts.st_rdev),
        "minor": os.minor(facts.st_rdev),
        "fileMode": stat.S_IMODE(facts.st_mode),
        "uid": facts.st_uid,
        "gid": facts.st_gid,
    }


def block_device(path: str) -> tuple[int, int]:
    """Return a block device's number; raise IsolationError for what is missing or none."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise IsolationError(f"stat {path}: {(error.strerror or 'unreadable').lower()}") from None
    if not stat.S_ISBLK(facts.st_mode):
        raise IsolationError(f"{path} is not a block device")
    return os.major(facts.st_rdev), os.minor(facts.st_rdev)


def use_of(device: Device, access: str) -> DeviceRule:
    """Return the rule that allows a device's use."""
    return {
        "allow": True,
        "type": device["type"],
        "major": device["major"],
        "minor": device["minor"],
        "access": access,
    }


def rule(text: str) -> DeviceRule:
    """Return a checked ``--device-cgroup-rule`` as the spec has it; a star is left out."""
    kind, numbers, access = text.split(" ")
    major, _, minor = numbers.partition(":")
    found: DeviceRule = {"allow": True, "access": access}
    if kind != "a":
        found["type"] = kind
    if major != "*":
        found["major"] = int(major)
    if minor != "*":
        found["minor"] = int(minor)
    return found
