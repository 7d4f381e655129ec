"""``volume``: make, find, list, remove and prune volumes."""

from __future__ import annotations

import os
import stat
import time

from plugrun.engine.volumefolders import (
    LOCK,
    make_folder,
    remove_set_aside,
    set_aside,
    sweep,
    volume_data,
)
from plugrun.errors import NoSuchVolume
from plugrun.model.record import record
from plugrun.model.volume import ANONYMOUS, LOCAL, Volume, check_volume, random_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from plugrun.engine.engine import Engine

    Pairs = tuple[tuple[str, str], ...]


@record
class Pruned:
    """What ``prune`` removed, and how many bytes that freed."""

    names: tuple[str, ...]
    size: int


def create_volume(
    engine: Engine, name: str = "", driver: str = LOCAL, labels: Pairs = (), options: Pairs = ()
) -> Volume:
    """Make a volume and return it; one of the same name is returned as it is, as Docker does.

    Without a name it gets a random one, and counts as anonymous.
    """
    if not name:
        name, labels = random_volume_name(), (*labels, (ANONYMOUS, ""))
    check_volume(name, driver, options)
    wanted = Volume(name, time.time_ns(), driver, labels, options)
    table = engine.metadata.volumes
    with engine.locks.exclusive(LOCK):
        new = table.add(wanted)
        volume = wanted if new else table.get(name) or wanted
        make_folder(engine, volume)
    if new:
        engine.emit("volume", "create", name, {"driver": driver})
    return volume


def find_volume(engine: Engine, name: str) -> Volume:
    """Return the volume of a name; raise NoSuchVolume."""
    found = engine.metadata.volumes.get(name)
    if found is None:
        raise NoSuchVolume(f"get {name}: no such volume")
    return found


def remove_volume(engine: Engine, name: str) -> None:
    """Remove a volume and its files; raise NoSuchVolume, or Conflict while containers use it."""
    with engine.locks.exclusive(LOCK):
        engine.metadata.volumes.remove(name)
        aside = set_aside(engine, [name])
    remove_set_aside(aside)
    engine.emit("volume", "destroy", name, {"driver": LOCAL})


def prune_volumes(engine: Engine, wanted: Callable[[Volume], bool]) -> Pruned:
    """Remove the volumes that no container uses and that are ``wanted``.

    Those with options stay, as in Docker: what is mounted there is not this machine's to remove.
    """
    sweep(engine)
    table = engine.metadata.volumes
    unused = table.unused()
    names = [v.name for v in table.all() if v.name in unused and not v.options and wanted(v)]
    with engine.locks.exclusive(LOCK):
        # Who began to use one meanwhile keeps it.
        gone = table.remove_unused(names)
        aside = set_aside(engine, gone)
    size = sum(map(_size, aside))
    remove_set_aside(aside)
    for name in gone:
        engine.emit("volume", "destroy", name, {"driver": LOCAL})
    engine.emit("volume", "prune", "", {"reclaimed": str(size)})
    return Pruned(tuple(gone), size)


def volume_size(engine: Engine, name: str) -> int:
    """Return the bytes of a volume's files, each counted once however many names it has."""
    return _size(volume_data(engine, name))


def _size(top: str) -> int:
    seen = set()
    total = 0
    for _, _, names, folder in os.fwalk(top):
        for name in names:
            try:
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(state.st_mode) and (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                total += state.st_size
    return total


def volume_document(engine: Engine, volume: Volume) -> dict[str, Any]:
    """Return a volume as Docker's API shows it (VolumeInspect)."""
    from plugrun.engine.inspect import rfc3339

    return {
        "CreatedAt": rfc3339(volume.created_ns // 10**9 * 10**9),
        "Driver": volume.driver,
        "Labels": dict(sorted(volume.labels)) or None,
        "Mountpoint": volume_data(engine, volume.name),
        "Name": volume.name,
        "Options": dict(sorted(volume.options)) or None,
        "Scope": "local",
    }
