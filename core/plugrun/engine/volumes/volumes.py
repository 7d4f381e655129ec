"""``volume``: make, find, list, remove and prune volumes."""

from __future__ import annotations

import time

from plugrun.engine.volumes.folders import (
    LOCK,
    make_folder,
    remove_set_aside,
    set_aside,
    tree_size,
    volume_data,
)
from plugrun.errors import NoSuchVolume
from plugrun.model.volume import ANONYMOUS, LOCAL, Volume, check_volume, random_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine

    Pairs = tuple[tuple[str, str], ...]


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


def volume_size(engine: Engine, name: str) -> int:
    """Return the bytes of a volume's files, each counted once however many names it has."""
    return tree_size(volume_data(engine, name))


def volume_document(engine: Engine, volume: Volume) -> dict[str, Any]:
    """Return a volume as Docker's API shows it (VolumeInspect)."""
    from plugrun.engine.inspect.document import rfc3339

    return {
        "CreatedAt": rfc3339(volume.created_ns // 10**9 * 10**9),
        "Driver": volume.driver,
        "Labels": dict(sorted(volume.labels)) or None,
        "Mountpoint": volume_data(engine, volume.name),
        "Name": volume.name,
        "Options": dict(sorted(volume.options)) or None,
        "Scope": "local",
    }
