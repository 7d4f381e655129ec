"""What a new container's mounts need on this machine: volumes made and filled, sources there."""

from __future__ import annotations

import os
import time

from plugrun.engine.volumes.folders import LOCK, make_folder, volume_data
from plugrun.errors import InvalidArgument
from plugrun.model.mountpoint import BIND, BY_CONTAINER, VOLUME
from plugrun.model.volume import ANONYMOUS, Volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mountpoint import MountPoint


def provide(engine: Engine, container: Container) -> None:
    """Make what a container's mount points need; its record and snapshot are there already.

    Raise InvalidArgument if the source of a ``--mount`` is missing, NoSuchVolume if a volume of
    another container's was removed meanwhile.
    """
    for point in container.mounts:
        if point.kind == BIND:
            _provide_source(point)
    volumes = [point for point in container.mounts if point.kind == VOLUME]
    if volumes:
        _provide_volumes(engine, container, volumes)
    copied = [point for point in volumes if not point.no_copy and not point.subpath]
    if copied:
        from plugrun.engine.volumes.fill import fill

        fill(engine, container, copied)


def _provide_source(point: MountPoint) -> None:
    if os.path.lexists(point.source):
        return
    if not point.create_source:
        raise InvalidArgument(
            'invalid mount config for type "bind": bind source path does not exist: '
            f"{point.source}",
            hint=f"make it, or use -v {point.source}:{point.target}, which makes a folder",
        )
    # Docker makes what -v names and does not find.
    os.makedirs(point.source, 0o755, exist_ok=True)


def _provide_volumes(engine: Engine, container: Container, points: list[MountPoint]) -> None:
    own = [point for point in points if point.given != BY_CONTAINER]
    made = {point.volume: _volume(point) for point in own}
    shared = {point.volume for point in points}.difference(made)
    table = engine.metadata.volumes
    with engine.locks.exclusive(LOCK):
        new = table.use(container.id, made.values(), shared)
        for volume in made.values():
            # One that is there already has its own options, whatever was asked for now.
            make_folder(engine, volume if volume.name in new else table.get(volume.name) or volume)
    if container.shifted:
        from plugrun.engine.userns.mounts import give_volume

        for name in new:
            give_volume(container, volume_data(engine, name))
    for name in new:
        engine.emit("volume", "create", name, {"driver": made[name].driver})


def _volume(point: MountPoint) -> Volume:
    mark = ((ANONYMOUS, ""),) if point.anonymous else ()
    labels = (*mark, *point.labels)
    return Volume(point.volume, time.time_ns(), point.driver, labels, point.options)
