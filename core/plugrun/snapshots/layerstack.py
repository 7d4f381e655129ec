"""Snapshots as stacks of layers: what a union file system puts together."""

from __future__ import annotations

import os
import time

from plugrun.errors import REPAIR, Conflict, Corrupt
from plugrun.interfaces.storage import (
    ACTIVE,
    COMMITTED,
    INDEPENDENT_LAYERS,
    VIEW,
    WHITEOUT_OVERLAYFS,
    LayerTree,
)
from plugrun.model.mount import Mount
from plugrun.snapshots.records import SnapshotRecord
from plugrun.snapshots.store import SnapshotStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.interfaces.backend import Probe


class LayerStack(SnapshotStore):
    """A folder for each layer's own entries, with deletions as overlayfs has them.

    A whiteout is a character device 0:0, an opaque folder has the xattr trusted.overlay.opaque=y
    (Documentation/filesystems/overlayfs.rst), or user.overlay.opaque=y if ``whiteouts`` is
    overridden. ``union`` and ``probe`` are the backend's.
    """

    capabilities: frozenset[str] = frozenset((INDEPENDENT_LAYERS,))
    most_lower = 500  # layers beneath the writable one
    images = ""  # the type of file system that a layer may be an image of, see ``layer``

    def probe(self) -> Probe:
        """Say whether the union can be mounted here."""
        raise NotImplementedError

    def union(self, lower: tuple[str, ...], upper: str, work: str) -> Mount:
        """Return the mount of layers put together, ``lower`` (see ``layer``) nearest first.

        Of a view, ``upper`` and ``work`` are empty and the mount is read-only; ``work`` is an
        empty folder on the file system of ``upper``, for the union's own use.
        """
        raise NotImplementedError

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot: two folders and a record."""
        with self.records.locked():
            self.refuse_taken(key)
            below = None if parent is None else self.parent_to_be(parent, (COMMITTED, ACTIVE))
            lower = () if below is None else (below.id, *below.lower)
            if below is not None:
                self._refuse_missing(below)
            id = self.records.new_folder()
            made = SnapshotRecord(ACTIVE, key, id, time.time_ns(), parent or "", lower)
            try:
                self._make_folders(id, below)
                self.records.write(made)
            except OSError:  # a full disk: what was made would take yet more of it
                self.free(id, ("l", "w"))
                raise

    def _make_folders(self, id: str, below: SnapshotRecord | None) -> None:
        if self.folder(id) != f"{self.root}/l/{id}":
            os.mkdir(self.folder(id), 0o700)
        if below is None:
            os.chmod(self.folder(id), 0o755)
            return
        _copy_root(self.layer(below.id), self.folder(id), self.images)
        os.mkdir(self._work(id), 0o700)
        if below.kind == ACTIVE:
            _touch(f"{self.root}/p/{below.id}")

    def commit(self, name: str, key: str) -> None:
        """Rename the record, unless nothing could be put on so high a stack."""
        self._refuse_height(self.active(key))
        super().commit(name, key)

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """Return one union, or a bind where there is one layer only."""
        found = self.mountable(key)
        lower = tuple(map(self.layer, found.lower))
        if found.kind == ACTIVE and not lower:
            return (Mount("bind", self.folder(found.id), ("bind", "rw")),)
        if found.kind == VIEW and len(lower) == 1:
            return (self.alone(lower[0]),)
        if found.kind == VIEW:
            return (self.union(lower, "", ""),)
        return (self.union(lower, self.folder(found.id), self._work(found.id)),)

    def layer_tree(self, key: str) -> LayerTree:
        """Return the active snapshot's own folder."""
        found = self.active(key)
        lower = tuple(map(self.layer, found.lower))
        return LayerTree(self.folder(found.id), self.whiteouts(), lower, self.images)

    def layer(self, id: str) -> str:
        """Return where a layer lies that others stand on: its folder, or an image of ``images``."""
        return self.folder(id)

    def alone(self, layer: str) -> Mount:
        """Return the read-only mount of one layer."""
        return Mount("bind", layer, ("bind", "ro"))

    def whiteouts(self) -> str:
        """Return how deletions are written in this root's layers, in LayerTree's words."""
        return WHITEOUT_OVERLAYFS

    def parent_to_be(self, key: str, kinds: tuple[str, ...]) -> SnapshotRecord:
        """As beneath, and the stack may not be too high."""
        found = super().parent_to_be(key, kinds)
        # What stands on an active one is a layer too, and not a container.
        self._refuse_height(found, 1 if found.kind == ACTIVE else 0)
        return found

    def _refuse_height(self, found: SnapshotRecord, above: int = 0) -> None:
        count = len(found.lower) + 1 + above
        if count > self.most_lower:
            raise Conflict(
                f"an image of {count} layers: this storage takes {self.most_lower}",
                hint="plugrun export CONTAINER | plugrun import - IMAGE makes one layer of all",
            )

    def _refuse_missing(self, found: SnapshotRecord) -> None:
        path = self.layer(found.id)
        if not os.path.isdir(path) and not (self.images and os.path.isfile(path)):
            raise Corrupt(f"the storage is damaged: the layer {path} is missing", hint=REPAIR)

    def _work(self, id: str) -> str:
        return f"{self.root}/w/{id}"


def _copy_root(layer: str, target: str, images: str) -> None:
    """Give a new upper folder the attributes of what it covers: a union shows the upper's."""
    source = _opened(layer, images)
    try:
        below = os.stat(source)
        if below.st_uid or below.st_gid:
            os.chown(target, below.st_uid, below.st_gid)
        os.chmod(target, below.st_mode & 0o7777)
        for name in os.listxattr(source):
            if not name.startswith(("trusted.overlay.", "user.overlay.")):
                os.setxattr(target, name, os.getxattr(source, name))
    finally:
        if isinstance(source, int):
            os.close(source)


def _opened(layer: str, images: str) -> str | int:
    if not images:
        return layer
    from plugrun.linux.images import open_layer

    return open_layer(layer, images)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
