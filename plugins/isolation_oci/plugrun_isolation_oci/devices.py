"""The devices of a spec, and those that every container has (runtime-spec config-linux.md)."""

from __future__ import annotations

import os
import stat

from plugrun.api import IsolationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
_DEFAULT = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)


def all_devices(own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the default devices and the spec's own; one of the spec replaces a default."""
    mine = [{**device, "path": os.path.normpath(device["path"])} for device in own]
    named = {device["path"] for device in mine}
    defaults = [
        {"path": path, "type": "c", "major": major, "minor": minor}
        for path, major, minor in _DEFAULT
        if path not in named
    ]
    return [*defaults, *mine]


def is_default(device: Mapping[str, Any]) -> bool:
    """Whether a runtime makes a device of this path by itself."""
    return any(device["path"] == path for path, _, _ in _DEFAULT)


def mode(device: Mapping[str, Any]) -> int:
    """Return what mknod(2) takes as mode; IsolationError for a kind that is none."""
    if device["type"] not in _KINDS:
        raise IsolationError(f"device {device['path']} has the unknown type {device['type']}")
    bits: int = device.get("fileMode", 0o666)
    return _KINDS[device["type"]] | bits & 0o7777


def number(device: Mapping[str, Any]) -> int:
    """Return what mknod(2) takes as the device."""
    return os.makedev(device.get("major", 0), device.get("minor", 0))
