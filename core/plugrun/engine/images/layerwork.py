"""Layers on their way into the storage: prepare, unpack in worker processes, commit.

While it works it holds each layer's lock, so that whatever bears an unpacking key under a lock
this process holds was left by a killed command.
"""

from __future__ import annotations

import os

from plugrun.errors import AlreadyExists, Conflict, Corrupt, NoSuchSnapshot
from plugrun.interfaces.storage import ACTIVE, COMMITTED, INDEPENDENT_LAYERS, WHOLE_IMAGES
from plugrun.layers.implied import complete
from plugrun.layers.workers import HeldTree
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugrun.interfaces.storage import LayerTree, Storage
    from plugrun.layers.unpack import Unpacked
    from plugrun.layers.workers import WorkerPool

    Heard = Callable[..., None]

_PREFIX = "unpack-"


@record
class Layer:
    """One layer of an image: its ChainID, its DiffID, and the digest of its blob."""

    number: int
    chain: str
    diff_id: str
    blob: str

    @property
    def key(self) -> str:
        """The active snapshot it is unpacked in."""
        return f"{_PREFIX}{self.chain[7:71]}"

    @property
    def lock(self) -> str:
        """The lock that who unpacks it holds."""
        return f"layer-{self.chain[7:39]}"


def committed_count(storage: Storage, chain: Sequence[str]) -> int:
    """Return how many of a chain's layers the storage has, from the lowest up."""
    for count in range(len(chain), 0, -1):
        try:
            if storage.stat(chain[count - 1]).kind == COMMITTED:
                return count
        except NoSuchSnapshot:
            continue
    return 0


class LayerWork:
    """The layers of one image that the storage lacks, lowest first.

    ``below`` is the ChainID they stand on, or None. ``hear`` gets ``read`` (layer, bytes) and
    ``unpacked`` (layer, result or error) from other threads. ``find`` returns where a whole blob
    lies now; ``sync`` makes what was written durable, and may move blobs that nobody unpacks.
    ``with`` removes what was not committed.
    """

    def __init__(
        self,
        storage: Storage,
        layers: Sequence[Layer],
        below: str | None,
        hear: Heard,
        find: Callable[[str], str],
        sync: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._layers = layers
        self._below = below
        self._pool: WorkerPool
        self._hear = hear
        self._find = find
        self._sync = sync
        self._independent = INDEPENDENT_LAYERS in storage.capabilities
        self._whole = WHOLE_IMAGES in storage.capabilities
        self._prepared: list[Layer] = []
        self._trees: dict[int, LayerTree] = {}
        self._waiting: set[int] = set()
        self._done: dict[int, Unpacked] = {}

    def __enter__(self) -> LayerWork:
        try:
            if self._whole:
                self._prepare_whole()
            for layer in self._layers if self._independent else ():
                self._prepare(layer)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for layer in reversed(self._prepared):
            try:
                self._storage.remove(layer.key)
            except NoSuchSnapshot:
                continue

    @property
    def is_whole(self) -> bool:
        """Whether one snapshot is made of all layers."""
        return self._whole

    @property
    def at_once(self) -> int:
        """How many layers may be unpacked at the same time."""
        return len(self._layers) if self._independent else 1

    def use(self, pool: WorkerPool) -> None:
        """Take the workers, who are to be gone before this ends: they fill what it removes."""
        self._pool = pool

    def received(self, layer: Layer) -> None:
        """A layer's blob is whole: unpack it as soon as the storage can take it."""
        self._waiting.add(layer.number)
        self._start()

    def unpacked(self, layer: Layer, result: Unpacked) -> None:
        """A worker is done with a layer: check it. Raise Corrupt if it is not the config's."""
        if result.diff_id != layer.diff_id:
            raise Corrupt(
                f"it unpacks to {result.diff_id}, but the image's config says {layer.diff_id}"
            )
        self._done[layer.number] = result
        if self._independent:
            return
        if not self._whole:
            self._sync()
            self._commit(layer)
        self._start()

    @property
    def is_done(self) -> bool:
        """Whether all layers have been unpacked."""
        return len(self._done) == len(self._layers)

    def commit(self, committed: Callable[[Layer], None]) -> None:
        """Commit what is not yet, lowest first, once everything is on the disk."""
        if self._independent:
            for layer in self._layers:
                self._complete(layer)
        self._sync()
        for layer in self._layers:
            if self._independent or (self._whole and layer is self._layers[-1]):
                self._commit(layer)
            committed(layer)

    def _start(self) -> None:
        """Hand to the pool what can be unpacked now."""
        first = self._layers[0].number
        for layer in self._layers:
            if layer.number not in self._waiting or layer.number in self._done:
                continue
            if not self._independent:
                if layer.number > first + len(self._done):
                    return
                if not self._whole:
                    self._prepare(layer)
            self._waiting.remove(layer.number)
            self._unpack(layer)

    def _unpack(self, layer: Layer) -> None:
        tree = self._trees[layer.number]
        self._pool.unpack(
            self._find(layer.blob),
            tree.path,
            tree.whiteouts,
            lambda count: self._hear("read", layer, count),
            lambda result: self._hear("unpacked", layer, result),
        )

    def _prepare(self, layer: Layer) -> None:
        parent = self._below
        if layer.number > self._layers[0].number:
            before = self._layers[layer.number - self._layers[0].number - 1]
            parent = before.key if self._independent else before.chain
        self._make(layer, parent)

    def _prepare_whole(self) -> None:
        """Make one snapshot for all layers: what is to be the image's top."""
        top = self._layers[-1]
        self._make(top, self._below)
        self._trees = dict.fromkeys((one.number for one in self._layers), self._trees[top.number])

    def _make(self, layer: Layer, parent: str | None) -> None:
        remove_left_over(self._storage, layer.key)
        self._prepared.append(layer)
        self._storage.prepare(layer.key, parent)
        self._trees[layer.number] = self._storage.layer_tree(layer.key)

    def _complete(self, layer: Layer) -> None:
        tree, result = self._trees[layer.number], self._done[layer.number]
        if result.implied or result.whited or result.emptied:
            complete(tree, result)

    def _commit(self, layer: Layer) -> None:
        try:
            self._storage.commit(layer.chain, layer.key)
        except AlreadyExists:
            if self._independent and layer is not self._layers[-1]:
                raise
            self._storage.remove(layer.key)
        self._prepared.remove(layer)


def remove_left_over(storage: Storage, key: str) -> None:
    """Remove an unpacking snapshot that a killed command left, and those made over it."""
    try:
        _remove_unheld(storage, key)
    except NoSuchSnapshot:
        return
    except Conflict:
        found = list(storage.walk())
        doomed = {key}
        for snapshot in found:
            if snapshot.kind == ACTIVE and snapshot.parent in doomed:
                doomed.add(snapshot.key)
        for snapshot in reversed(found):
            if snapshot.key in doomed:
                _remove_unheld(storage, snapshot.key)


def _remove_unheld(storage: Storage, key: str) -> None:
    """Remove an unpacking snapshot once the killed command's worker in it has ended too."""
    with HeldTree(storage.layer_tree(key).path):
        storage.remove(key)


def worker_count(layers: int) -> int:
    """Return how many processes to unpack with."""
    return max(1, min(layers, len(os.sched_getaffinity(0)), 4))
