"""The files of one step: a snapshot over the steps before, changed, and committed as a layer.

What is committed is the very tree that the step wrote; the layer's tar is made from the same
changes, so that its DiffID, and with it the ChainID, are the ones any other machine will find. A
killed build leaves a mark by which the snapshot is found.
"""

from __future__ import annotations

import os

from plugrun.engine.build.marks import mark, unmark
from plugrun.engine.build.state import Outcome, chain_over
from plugrun.engine.files.rootfs import active_tree, snapshot_tree
from plugrun.engine.images.layersizes import keep_layer_size
from plugrun.engine.images.transfer import sync_filesystem
from plugrun.errors import AlreadyExists, NoSuchSnapshot
from plugrun.interfaces.storage import CHANGE_TIMES, COMMITTED, INDEPENDENT_LAYERS
from plugrun.layers.layerchanges import layer_changes
from plugrun.layers.layertar import write_layer
from plugrun.layers.marks import are_kept_apart
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treechanges import NEVER, tree_changes
from plugrun.linux.filesystem import unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.files.rootfs import OpenTree
    from plugrun.interfaces.storage import LayerTree, Storage
    from plugrun.layers.changes import Change

_NOTHING = 1024  # bytes of a tar without entries
_ACCOUNTS = frozenset((b"passwd", b"group"))


class StepTree:
    """An active snapshot over ``below``, a ChainID or nothing; ``key`` could be a container's ID.

    ``with`` it: what was not committed is removed.
    """

    def __init__(self, engine: Engine, storage: Storage, below: str) -> None:
        self._engine = engine
        self._storage = storage
        self._below = below
        self.key = os.urandom(32).hex()

    def __enter__(self) -> StepTree:
        mark(self._engine, self.key)
        try:
            self._storage.prepare(self.key, self._below or None)
        except BaseException:
            unmark(self._engine, self.key)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._storage.remove(self.key)
        except NoSuchSnapshot:
            pass
        unmark(self._engine, self.key)

    def mounted(self) -> OpenTree:
        """Return the tree to be written; to be used with ``with``."""
        return active_tree(self._engine, self._storage, self.key)

    def layer_tree(self) -> LayerTree:
        """Return where the step's own files lie, for who looks at them beside the mounts."""
        return self._storage.layer_tree(self.key)

    def commit(self, created_ns: int, latest_ns: int = NEVER) -> Outcome:
        """Make a layer of what was written, and keep both its tree and its tar.

        No file's time is after ``latest_ns``, in nanoseconds, unless that is NEVER. Where nothing
        was changed there is no layer. Raise NoSpace, Corrupt.
        """
        content = self._engine.content
        fd, path = content.begin()
        try:
            try:
                writer = Writer(fd, latest_ns)
                self._write(writer)
            finally:
                os.close(fd)
            if writer.is_empty:
                unlink(path)
                return Outcome("", 0, created_ns)
            content.received_as(writer.digest, path)
        except BaseException:
            unlink(path)  # it may be in its place already
            raise
        chain = chain_over(self._below, writer.digest)
        keep_layer_size(self._engine, chain, writer.size)
        if not writer.has_accounts:
            self._keep_accounts(chain)
        with self._engine.locks.exclusive(f"layer-{chain[7:39]}"):
            sync_filesystem(self._engine)
            content.publish(writer.digest, durable=False)
            self._keep(chain)
        return Outcome(writer.digest, writer.size, created_ns)

    def _keep(self, chain: str) -> None:
        try:
            if self._storage.stat(chain).kind == COMMITTED:
                return  # the same step, made by another build
        except NoSuchSnapshot:
            pass
        try:
            self._storage.commit(chain, self.key)
        except AlreadyExists:
            return

    def _keep_accounts(self, chain: str) -> None:
        """Spare who runs in the new tree the look into its account files: they are the same."""
        folder = f"{self._engine.root}/accounts"
        try:
            os.link(f"{folder}/{self._below[7:]}", f"{folder}/{chain[7:]}")
        except OSError:
            return  # not known below either, or known already

    def _write(self, writer: Writer) -> None:
        if INDEPENDENT_LAYERS in self._storage.capabilities:
            tree = self._storage.layer_tree(self.key)
            if are_kept_apart(tree.whiteouts):
                writer.write(layer_changes(tree))
                return
        created = self._storage.stat(self.key).created_ns
        since = created if CHANGE_TIMES in self._storage.capabilities else NEVER
        with self.mounted() as now:
            if not self._below:
                writer.write(tree_changes(-1, now))
                return
            with snapshot_tree(self._engine, self._storage, self._below) as before:
                writer.write(tree_changes(before, now, since))


class Writer:
    """Writes changes as a layer's tar, and notes what matters besides.

    ``size`` is the sum of the layer's files, ``has_accounts`` whether passwd or group changed.
    """

    def __init__(self, fd: int, latest_ns: int = NEVER) -> None:
        self._sink = TarSink(fd, hashed=True)
        self._latest = latest_ns
        self.has_accounts = False
        self.size = 0

    @property
    def digest(self) -> str:
        """The tar's digest, which is the layer's DiffID."""
        return self._sink.digest

    @property
    def is_empty(self) -> bool:
        """Whether there were no changes."""
        return self._sink.written == _NOTHING

    def write(self, changes: Iterator[Change]) -> None:
        """Write all of them, and the end of the archive."""
        self.size = write_layer(self._noted(changes), self._sink)

    def _noted(self, changes: Iterator[Change]) -> Iterator[Change]:
        for change in changes:
            if change.path.rpartition(b"/")[2] in _ACCOUNTS:
                self.has_accounts = True
            if self._latest != NEVER:
                self._clamp(change)
            yield change

    def _clamp(self, change: Change) -> None:
        """Let no time be later than the build's, in the tree as in the tar."""
        node = change.node
        if node is None or node.state.st_mtime_ns <= self._latest:
            return
        times = (self._latest, self._latest)
        os.utime(node.name, ns=times, dir_fd=node.parent, follow_symlinks=False)
        node.state = os.stat(node.name, dir_fd=node.parent, follow_symlinks=False)
