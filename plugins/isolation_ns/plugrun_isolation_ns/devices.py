"""/dev: the devices every container has (runtime-spec config-linux.md), its own, and the links."""

from __future__ import annotations

import os
import stat

from plugrun.api import IsolationError, mountfd, runtimespec

from plugrun_isolation_ns.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
)
_NULL = os.makedev(1, 3)
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC


# What a fence lets through, too: the default devices, the console, terminals and ptmx.
_ALLOWED = (
    *[(major, minor) for _, major, minor in runtimespec.DEFAULT_DEVICES],
    (5, 1),
    (5, 2),
    (136, -1),
)


def with_defaults(resources: dict[str, Any]) -> dict[str, Any]:
    """Return ``linux.resources`` whose device rules, if it has any, allow the default devices.

    A runtime supplies those in addition to what the spec names (config-linux.md).
    """
    rules = resources.get("devices")
    if not rules:
        return resources
    allowed = [{"allow": True, "type": "c", "access": "rwm", "major": a} for a, _ in _ALLOWED]
    for rule, (_, minor) in zip(allowed, _ALLOWED, strict=True):
        if minor >= 0:
            rule["minor"] = minor
    return {**resources, "devices": [*rules, *allowed]}


def make_devices(root: Root, own: list[dict[str, Any]]) -> None:
    """Make the default devices and the spec's own."""
    for device in runtimespec.all_devices(own):
        _make(root, device)


def _make(root: Root, device: dict[str, Any]) -> None:
    path = device["path"]
    number = runtimespec.device_number(device)
    folder = root.folder(os.path.dirname(path))
    name = os.path.basename(path)
    try:
        os.mknod(name, runtimespec.device_mode(device), number, dir_fd=folder)
    except FileExistsError:
        _check_same(folder, name, path, number)
        os.close(folder)
        return
    except PermissionError:
        _bind(folder, name, path, number)
        os.close(folder)
        return
    uid, gid = device.get("uid", 0), device.get("gid", 0)
    if uid or gid:
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
    os.close(folder)


def node_to_bind(folder: int, name: str, device: dict[str, Any], owner: tuple[int, int]) -> int:
    """Make a device in a folder of the host's, and return a mount of it for ``bind_devices``.

    Where mknod(2) is not allowed it is the host's own, with the owner that it has.
    """
    number = runtimespec.device_number(device)
    try:
        os.mknod(name, runtimespec.device_mode(device), number, dir_fd=folder)
    except PermissionError:
        return _clone_of_host(device["path"], number)
    os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
    return mountfd.clone_tree(folder, name)


def bind_devices(root: Root, nodes: Mapping[str, int]) -> None:
    """Bind devices made before onto their paths, over what an image has there."""
    for path, tree in nodes.items():
        folder = root.folder(os.path.dirname(path))
        name = os.path.basename(path)
        try:
            os.close(os.open(name, _NEW_FILE, 0o644, dir_fd=folder))
        except FileExistsError:
            pass  # what is opened next is no link that leads elsewhere, and nothing of it is used
        target = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        mountfd.attach(tree, target, path)
        for fd in (target, folder, tree):
            os.close(fd)


def _check_same(folder: int, name: str, path: str, number: int) -> None:
    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_rdev != number:
        raise IsolationError(f"{path} exists in the image and is not the device it should be")


def _bind(folder: int, name: str, path: str, number: int) -> None:
    """Bind the host's device where mknod(2) is not allowed."""
    os.close(os.open(name, _NEW_FILE, 0o644, dir_fd=folder))
    target = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    tree = _clone_of_host(path, number)
    mountfd.attach(tree, target, path)
    os.close(tree)
    os.close(target)


def _clone_of_host(path: str, number: int) -> int:
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, path)
    if os.fstat(tree).st_rdev != number:
        raise IsolationError(f"the host's {path} is another device, and mknod is not permitted")
    return tree


def make_links(root: Root) -> None:
    """Make the links of /dev that programs expect; one that the image has stays."""
    folder = root.folder("/dev")
    for name, to in _LINKS:
        if name == "ptmx":
            _remove(folder, name)
        if name == "core" and not os.path.exists(to):
            continue
        try:
            os.symlink(to, name, dir_fd=folder)
        except FileExistsError:
            continue
    os.close(folder)


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        return


def open_null(root: Root) -> int:
    """Open the container's null device, and make sure that it is (CVE-2025-31133)."""
    fd = root.open("/dev/null", os.O_PATH | os.O_NOFOLLOW)
    facts = os.fstat(fd)
    if not stat.S_ISCHR(facts.st_mode) or facts.st_rdev != _NULL:
        raise IsolationError("/dev/null in the container is not the null device")
    return fd


def clone_terminal() -> int:
    """Return a mount of the terminal that is descriptor 0, for attach_console."""
    path = os.readlink("/proc/self/fd/0")
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, path)
    if not os.path.samestat(os.fstat(tree), os.fstat(0)):
        raise IsolationError(f"the terminal is no longer {path}")
    return tree


def clone_inner_terminal(root: Root) -> int:
    """Return a mount of the terminal that is descriptor 0, in the container's own devpts."""
    name = os.path.basename(os.readlink("/proc/self/fd/0"))
    fd = root.open(f"/dev/pts/{name}")
    if not os.path.samestat(os.fstat(fd), os.fstat(0)):
        raise IsolationError(f"the terminal is not /dev/pts/{name} of the container")
    tree = mountfd.clone_tree(fd, "")
    os.close(fd)
    return tree


def attach_console(root: Root, terminal: int) -> None:
    """Make the terminal /dev/console (CVE-2025-52565: onto a file that we made, by descriptor)."""
    folder = root.folder("/dev")
    _remove(folder, "console")
    os.close(os.open("console", _NEW_FILE, 0o600, dir_fd=folder))
    target = os.open("console", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    mountfd.attach(terminal, target, "/dev/console")
    os.close(target)
    os.close(folder)
    os.close(terminal)
