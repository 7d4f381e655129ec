"""From ``-v``, ``--mount`` and ``--tmpfs`` to mount points."""

from __future__ import annotations

from plugrun.cli.volumespec import parse_volume
from plugrun.errors import InvalidArgument
from plugrun.model.mountpoint import BY_VOLUME, VOLUME
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from plugrun.model.mountpoint import MountPoint


def mount_points(values: Mapping[str, Any]) -> tuple[MountPoint, ...]:
    """Return what the options ask to be mounted.

    Raise InvalidArgument if two have one target. A lone ``-v PATH`` gives way to any other, and
    the last ``--tmpfs`` of a path to no other, as in Docker.
    """
    points = [parse_volume(text) for text in values["volume"]]
    driver = values.get("volume_driver", "")
    if driver:
        points = [replace(p, driver=driver) if p.kind == VOLUME else p for p in points]
    mounts, memory = values.get("mount", ()), values.get("tmpfs", ())
    if mounts or memory:
        from plugrun.cli.mountvalue import checked, parse_tmpfs

        points += map(checked, mounts)
        points += {point.target: point for point in map(parse_tmpfs, memory)}.values()
    _check_targets(point for point in points if not _is_lone(point))
    return tuple(points)


def _is_lone(point: MountPoint) -> bool:
    return point.anonymous and point.given == BY_VOLUME


def _check_targets(points: Iterable[MountPoint]) -> None:
    targets = set()
    for point in points:
        if point.target in targets:
            raise InvalidArgument(f"Duplicate mount point: {point.target}")
        targets.add(point.target)
