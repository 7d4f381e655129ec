"""A bundle's config.json, as every runtime takes it: OCI's config.md and config-linux.md."""

from __future__ import annotations

import os
import stat

from plugrun.errors import IsolationError
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.linux.idmap import MountIds

# Character devices: path, major and minor number.
DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
# Options of a bind mount that has the owners of the container's user namespace.
ID_OPTIONS = ("idmap", "ridmap")
# What may be bound over in /proc (CVE-2019-16884): the files of lxcfs(1).
PROC_FILES = frozenset(
    ("cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat", "swaps", "uptime")
)
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def read_spec(bundle: str) -> dict[str, Any]:
    """Read a bundle's config.json; IsolationError if it holds no JSON object."""
    path = os.path.join(bundle, "config.json")
    try:
        with open(path, "rb", 0) as stream:
            spec: Any = loads(stream.read())
    except FileNotFoundError:
        raise IsolationError(f"{path} does not exist") from None
    except ValueError as error:
        raise IsolationError(f"{path}: {error}") from None
    if not isinstance(spec, dict):
        raise IsolationError(f"{path} does not hold a JSON object")
    return spec


def all_devices(own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the default devices and the spec's own; one of the spec replaces a default."""
    mine = [{**device, "path": os.path.normpath(device["path"])} for device in own]
    named = {device["path"] for device in mine}
    defaults = [
        {"path": path, "type": "c", "major": major, "minor": minor}
        for path, major, minor in DEFAULT_DEVICES
        if path not in named
    ]
    return [*defaults, *mine]


def device_mode(device: Mapping[str, Any]) -> int:
    """Return what mknod(2) takes as mode; IsolationError for a type that is none."""
    bits: int = device.get("fileMode", 0o666)
    return _kind(device) | bits & 0o7777


def device_number(device: Mapping[str, Any]) -> int:
    """Return what mknod(2) takes as device; IsolationError for a type that is none."""
    if _kind(device) == stat.S_IFIFO:
        return 0
    return os.makedev(device.get("major", 0), device.get("minor", 0))


def _kind(device: Mapping[str, Any]) -> int:
    if device["type"] not in _KINDS:
        raise IsolationError(f"device {device['path']} has the unknown type {device['type']}")
    return _KINDS[device["type"]]


def is_bind(mount: Mapping[str, Any]) -> bool:
    """Whether a mount of the spec is a bind mount."""
    words = (mount.get("type"), *(mount.get("options") or ()))
    return "bind" in words or "rbind" in words


def map_bind(tree: int, mount: Mapping[str, Any], own: MountIds | None = None) -> None:
    """Let a bind mount be seen with other owners if the spec wants that (config.md, mounts).

    ``tree`` is the mount, detached; ``own`` the container's user namespace, meant where a mount
    says so and brings no mapping. Raise IsolationError, BackendUnavailable.
    """
    given = [mount.get("uidMappings") or (), mount.get("gidMappings") or ()]
    if not any(given):
        if own is not None and any(word in ID_OPTIONS for word in mount.get("options") or ()):
            own.map(tree, mount["source"])
        return
    if not all(given):
        raise IsolationError(f"mount {mount['destination']}: uidMappings need gidMappings")
    # Few mounts come so far, and every start comes past here.
    from plugrun.linux.idmap import MountIds
    from plugrun.model.idmap import IdMap, ranges_of_spec

    with MountIds(IdMap(*map(ranges_of_spec, given))) as ids:
        ids.map(tree, mount["source"])
