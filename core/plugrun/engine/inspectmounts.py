"""What ``inspect`` tells of a container's mounts: Mounts, and its parts of HostConfig."""

from __future__ import annotations

from plugrun.model.mountpoint import BIND, BY_MOUNT, BY_VOLUME, TMPFS, VOLUME

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
