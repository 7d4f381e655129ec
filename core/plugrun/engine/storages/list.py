"""``storage ls``: the storages that keep something below this root, or that the profile names."""

from __future__ import annotations

from plugrun.engine.heal import stored_names
from plugrun.engine.storages.absent import left_by
from plugrun.errors import BackendUnavailable, PluginError, PlugrunError
from plugrun.interfaces.storage import COMMITTED
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage


@record
class StorageState:
    """One storage: what it keeps, and why it does not work here (empty: it does).

    ``images`` are those whose layers it has all of; ``size`` is what it takes on the disk, -1 if
    that is not known. ``current`` is the one that new containers get.
    """

    name: str
    current: bool
    reason: str
    images: int = 0
    containers: int = 0
    snapshots: int = 0
    size: int = -1


def storages(engine: Engine) -> list[StorageState]:
    """Measure each storage that has snapshots here, and those of the profile."""
    current = _current(engine)
    names = dict.fromkeys((*engine.backends.profile.storage, *sorted(stored_names(engine))))
    found = [_state(engine, name, name == current) for name in names]
    return [one for one in found if one.current or _keeps(one)]


def _keeps(one: StorageState) -> bool:
    """Whether there is something in a storage, or something wrong with one of the profile's."""
    return bool(one.snapshots or one.containers or one.size < 0 or (one.reason and one.size))


def several(engine: Engine) -> tuple[StorageState, ...]:
    """Measure the storages that keep something, if there is more than one."""
    holders = [name for name in stored_names(engine) if _holds(engine, name)]
    if len(holders) < 2:
        return ()
    return tuple(one for one in storages(engine) if one.name in holders)


def _holds(engine: Engine, name: str) -> bool:
    try:
        return any(True for _ in engine.storage_named(name).walk())
    except PlugrunError:
        used = any(one.storage.name == name for one in engine.metadata.each_container())
        return used or left_by(engine, name) > 0


def _current(engine: Engine) -> str:
    try:
        return engine.storage_choice().name
    except BackendUnavailable:
        return ""


def _state(engine: Engine, name: str, current: bool) -> StorageState:
    containers = sum(one.storage.name == name for one in engine.metadata.each_container())
    try:
        storage = engine.storage_named(name)
        kinds = {snapshot.key: snapshot.kind for snapshot in storage.walk()}
        size = _size(storage, kinds)
    except PlugrunError as error:
        nothing = -1 if name in engine.backends.profile.storage else 0
        size = left_by(engine, name) or nothing
        return StorageState(name, current, error.message, containers=containers, size=size)
    probe = storage.probe() if not current else None
    chains = {key for key, kind in kinds.items() if kind == COMMITTED}
    images = sum(bool(i.chain) and i.chain[-1] in chains for i in engine.metadata.images())
    reason = "" if probe is None or probe.works else probe.reason or "it does not say why"
    return StorageState(name, current, reason, images, containers, len(kinds), size)


def _size(storage: Storage, keys: dict[str, str]) -> int:
    total = 0
    for key in keys:
        try:
            total += storage.usage(key).bytes
        except (PluginError, BackendUnavailable):
            raise
        except PlugrunError:
            continue  # it has gone meanwhile
    return total
