"""What ``inspect`` tells of a container's mounts: Mounts, and its parts of HostConfig."""

from __future__ import annotations

from plugrun.model.mountpoint import BIND, BY_MOUNT, BY_TMPFS, BY_VOLUME, TMPFS, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.model.container import Container
    from plugrun.model.mountpoint import MountPoint


def mounts(container: Container) -> list[dict[str, Any]]:
    """Return ``Mounts``: all but what ``--tmpfs`` made, as in Docker."""
    return [_mount(p) for p in container.mounts if p.kind != TMPFS or p.given == BY_MOUNT]


def _mount(point: MountPoint) -> dict[str, Any]:
    shown: dict[str, Any] = {"Type": point.kind}
    if point.kind == VOLUME:
        shown["Name"] = point.volume
    shown["Source"] = point.source
    shown["Destination"] = point.target
    if point.kind == VOLUME:
        shown["Driver"] = point.driver
    shown["Mode"] = point.mode
    shown["RW"] = not point.read_only
    spread = point.propagation or ("rprivate" if point.kind == BIND else "")
    shown["Propagation"] = spread
    return shown


def binds(container: Container) -> list[str] | None:
    """Return ``HostConfig.Binds``: each ``-v`` with a source, as it was given."""
    return [p.text for p in container.mounts if p.given == BY_VOLUME and p.text] or None


def tmpfs(container: Container) -> dict[str, str]:
    """Return ``HostConfig.Tmpfs``: each ``--tmpfs`` with its options."""
    return {p.target: p.mode for p in container.mounts if p.given == BY_TMPFS}


def asked_mounts(container: Container) -> list[dict[str, Any]]:
    """Return ``HostConfig.Mounts``: each ``--mount``."""
    return [_wanted(p) for p in container.mounts if p.given == BY_MOUNT]


def _wanted(point: MountPoint) -> dict[str, Any]:
    """Return one ``--mount`` as Docker's API writes it, without what was not said."""
    source = point.source if point.kind == BIND else "" if point.anonymous else point.volume
    shown = {
        "Type": point.kind,
        "Source": source,
        "Target": point.target,
        "ReadOnly": point.read_only,
        "BindOptions": _bind_options(point),
        "VolumeOptions": _volume_options(point),
        "TmpfsOptions": _tmpfs_options(point),
    }
    return {key: value for key, value in shown.items() if value}


def _bind_options(point: MountPoint) -> dict[str, Any]:
    options: dict[str, Any] = {"Propagation": point.propagation} if point.propagation else {}
    names = {"disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive",
             "readonly": "ReadOnlyForceRecursive"}  # fmt: skip
    if point.recursive:
        options[names[point.recursive]] = True
    return options


def _volume_options(point: MountPoint) -> dict[str, Any]:
    found = {
        "NoCopy": point.no_copy,
        "Labels": dict(point.labels),
        "Subpath": point.subpath,
        "DriverConfig": {"Options": dict(point.options)} if point.options else {},
    }
    shown = {key: value for key, value in found.items() if value}
    return shown and {**shown, "DriverConfig": found["DriverConfig"]}


def _tmpfs_options(point: MountPoint) -> dict[str, Any]:
    options = {"SizeBytes": point.tmpfs_size} if point.tmpfs_size else {}
    return {**options, "Mode": point.tmpfs_mode} if point.tmpfs_mode >= 0 else options
