"""From ``-v``, ``--mount`` and ``--tmpfs`` to mount points."""

from __future__ import annotations

from plugrun.cli.volumespec import parse_volume
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.model.mountpoint import MountPoint


def mount_points(values: Mapping[str, Any]) -> tuple[MountPoint, ...]:
    """Return what the options ask to be mounted; raise InvalidArgument if two have one target."""
    points = tuple(parse_volume(text) for text in values["volume"])
    targets = set()
    for point in points:
        if point.target in targets:
            raise InvalidArgument(f"Duplicate mount point: {point.target}")
        targets.add(point.target)
        if point.kind == "volume":
            raise InvalidArgument("volumes are on their way", hint="mount a path of this machine")
    return points
