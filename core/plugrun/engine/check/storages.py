"""Each storage against its own records, against images and against containers."""

from __future__ import annotations

from plugrun.engine.check.findings import found
from plugrun.engine.containers import status
from plugrun.engine.heal import stored_names
from plugrun.engine.images.collect import free_layer, kept_layers
from plugrun.engine.images.layersizes import layer_size
from plugrun.engine.images.restoring import restore
from plugrun.engine.storages.absent import left_by
from plugrun.errors import (
    BackendUnavailable,
    Conflict,
    Corrupt,
    NoSuchSnapshot,
    PluginError,
    PlugrunError,
)
from plugrun.interfaces.storage import BROKEN, COMMITTED, DAMAGED, MISSING, Fault
from plugrun.linux.mountinfo import mounts_beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Found
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Snapshot, Storage


def check_storages(engine: Engine) -> Iterator[Found]:
    """Yield what is wrong in every storage with state here."""
    for name in stored_names(engine):
        try:
            storage = engine.storage_named(name)
        except (PluginError, BackendUnavailable) as error:
            yield from _absent(engine, name, error)
            continue
        checked = _Checked(engine, name, storage)
        yield from checked.faults()
        yield from checked.emptied()
        yield from checked.orphans()
        yield from checked.containers()


def _absent(engine: Engine, name: str, error: PlugrunError) -> Iterator[Found]:
    users = sum(one.storage.name == name for one in engine.metadata.each_container())
    path = f"{engine.root}/storage/{name}"
    if users:
        why = f"it cannot be opened, so {users} containers of it cannot start: {error.message}"
        yield found("storage", path, why, error.hint)
    elif left_by(engine, name):
        why = f"it cannot be opened, and what it keeps takes room: {error.message}"
        yield found("storage", path, why, f"{error.hint}, or delete the folder")


class _Checked:
    """One storage."""

    def __init__(self, engine: Engine, name: str, storage: Storage) -> None:
        self._engine = engine
        self._name = name
        self._storage = storage
        self._faulty: set[str] = set()
        self._chains = {c for image in engine.metadata.images() for c in image.chain}
        self._kept = kept_layers(engine)
        self._own = {
            one.id: one for one in engine.metadata.each_container() if one.storage.name == name
        }

    def faults(self) -> Iterator[Found]:
        """What the storage itself finds; strays are freed together."""
        faults = list(self._storage.check())
        self._faulty = {fault.key for fault in faults if fault.key}
        strays = [fault for fault in faults if not fault.key]
        for fault in faults:
            if fault.key in self._chains and fault.kind == MISSING:
                yield self._lost_layer(fault)
            elif fault.key:
                yield self._lost_snapshot(fault)
        for fault in strays:
            yield found(
                "storage",
                fault.path,
                f"{fault.why}; it takes room",
                "remove it",
                self._sweep,
            )

    def emptied(self) -> Iterator[Found]:
        """Layers that had files when they were unpacked, and have none at all now.

        Whoever replaced a folder by an empty one leaves nothing else to tell it by. Not asked
        where something is mounted over the storage's files: that is told of, and hides them.
        """
        path = f"{self._engine.root}/storage/{self._name}"
        if any(point != path for point in mounts_beneath([path])):
            return
        for snapshot in self._snapshots():
            chain = snapshot.key
            if chain not in self._chains or chain in self._faulty or not self._is_empty(chain):
                continue
            size = layer_size(self._engine, chain)
            if size > 0:
                why = f"the folder of this snapshot is empty, where files of {size} bytes were"
                yield self._lost_layer(Fault(MISSING, chain, path, why))

    def _is_empty(self, chain: str) -> bool:
        try:
            found = self._storage.usage(chain)
        except (PlugrunError, OSError):
            return False  # told as a fault, or not to be told
        return found.inodes <= 1 and found.content == 0

    def _sweep(self) -> None:
        if any(fault.kind == DAMAGED for fault in self._storage.check()):
            raise Conflict("a record is damaged: what seems to be nobody's may be what it names")
        self._storage.sweep()

    def _lost_layer(self, fault: Fault) -> Found:
        users = self._running_on(fault.key)
        if users:
            remedy = f"plugrun stop {users[0]}, then plugrun system check --repair"
            return found("layer", fault.path, f"{fault.why} ({self._name} {fault.key})", remedy)
        return found(
            "layer",
            fault.path,
            f"{fault.why} ({self._name} {fault.key}): images and containers over it cannot start",
            "unpack it again from its blob",
            lambda: restore(self._engine, self._storage, fault.key),
        )

    def _lost_snapshot(self, fault: Fault) -> Found:
        """A container's, or one whose record is damaged, or that stands on what is gone."""
        container = self._own.get(fault.key)
        where = f"{self._name} {fault.key}" if container is None else container.name
        if container is not None and fault.kind == MISSING:
            why = f"what it wrote is gone ({fault.path})"
            return found("container", where, why, f"plugrun rm {where}")
        if container is not None:
            why = f"{fault.why} ({fault.path}), so it cannot start; what it wrote is kept"
            return found("container", where, why, f"plugrun rm {where}, if it is not wanted")
        if fault.kind == BROKEN:
            return found("snapshot", where, f"{fault.why} ({fault.path})", self._drop_hint(fault))
        return found(
            "snapshot",
            where,
            f"{fault.why} ({fault.path})",
            "drop it; an image is unpacked again when it is needed",
            lambda: self._drop(fault.key),
        )

    def _drop_hint(self, fault: Fault) -> str:
        return f"remove the containers and images of {fault.key}, and make them again"

    def _drop(self, key: str) -> None:
        self._storage.remove(key)

    def _running_on(self, chain: str) -> list[str]:
        users = []
        for one in self._own.values():
            image = self._engine.metadata.image(one.image)
            if image is not None and chain in image.chain and status(self._engine, one).running:
                users.append(one.name)
        return users

    def orphans(self) -> Iterator[Found]:
        """Snapshots that no image and no container refers to, those above others first."""
        for snapshot in reversed(self._snapshots()):
            if snapshot.key in self._faulty or self._is_wanted(snapshot):
                continue
            yield found(
                "snapshot",
                f"{self._name} {snapshot.key}",
                f"no {'image' if snapshot.kind == COMMITTED else 'container'} refers to it; it "
                "takes room",
                "remove it",
                lambda key=snapshot.key, kind=snapshot.kind: self._free(key, kind),  # type: ignore[misc]
            )

    def _snapshots(self) -> list[Snapshot]:
        try:
            return list(self._storage.walk())
        except PlugrunError:
            return []  # told as a fault

    def _is_wanted(self, snapshot: Snapshot) -> bool:
        return snapshot.key in (self._kept if snapshot.kind == COMMITTED else self._own)

    def _free(self, key: str, kind: str) -> None:
        if kind == COMMITTED and key not in self._kept:
            free_layer(self._engine, key)
        else:
            self._storage.remove(key)

    def containers(self) -> Iterator[Found]:
        """Containers that their storage knows nothing of."""
        for one in self._own.values():
            if one.id in self._faulty:
                continue
            try:
                self._storage.stat(one.id)
            except NoSuchSnapshot:
                why = f"{self._name} has no snapshot of it: what it wrote is gone"
                yield found("container", one.name, why, f"plugrun rm {one.name}")
            except Corrupt:
                continue  # what it stands on is damaged, and told of
