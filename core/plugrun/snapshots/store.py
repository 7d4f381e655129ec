"""The verbs that are the same for every storage with a folder of files for each snapshot.

A backend derives from ``SnapshotStore``, or from ``LayerStack`` if its snapshots are layers that a
union puts together, and adds the rest of ``plugrun.interfaces.storage``. The public names that are
no verbs are for it.
"""

from __future__ import annotations

import os
import time

from plugrun.errors import REPAIR, AlreadyExists, Conflict, Corrupt, NoSuchSnapshot
from plugrun.interfaces.storage import ACTIVE, COMMITTED, VIEW, Snapshot
from plugrun.linux.filesystem import exchange
from plugrun.snapshots.records import FOLDERS, SnapshotRecord, SnapshotRecords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.interfaces.storage import Fault, Usage


class SnapshotStore:
    """Snapshots as records and folders; see ``records`` for what lies on disk.

    Each verb is one rename (or unlink) under the lock, and what follows can be done again by
    ``sweep``. ``prepare`` and ``layer_tree`` are the backend's: it makes the files ready, in ``t``
    or in a folder that no record names yet, and writes the record last.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.records = SnapshotRecords(root)

    def view(self, key: str, parent: str) -> None:
        """Make a read-only snapshot: a record alone."""
        with self.records.locked():
            self.refuse_taken(key)
            below = self.parent_to_be(parent, (COMMITTED,))
            lower = (below.id, *below.lower)
            self.records.write(SnapshotRecord(VIEW, key, "", time.time_ns(), parent, lower))

    def commit(self, name: str, key: str) -> None:
        """Rename the record.

        Whoever wants the layer to survive a power failure syncs its files before; the rename is on
        the disk with the next journal commit, hence with any later fsync on this file system.
        """
        with self.records.locked():
            found = self.active(key)
            self.refuse_commit(name, found)
            self.before_commit(found)
            os.rename(self.records.path(ACTIVE, key), self.records.path(COMMITTED, name))
        self.free(found.id, ("w", "p"))

    def remove(self, key: str) -> None:
        """Take the record away, which is the act; then delete the files."""
        with self.records.locked():
            try:
                found = self.found(key)
            except Corrupt:
                # What it named is not known: sweep finds what nobody names any more.
                self._drop_damaged(key)
                return
            self.refuse_parent(found)
            path = self.records.path(found.kind, key)
            if not found.id:
                os.unlink(path)
                return
            os.rename(path, f"{self.root}/r/{found.id}")
        self.free(found.id, ("l", "w", "p", "r"))

    def stat(self, key: str) -> Snapshot:
        """Return what is known of one snapshot."""
        found = self.found(key)
        parent = self._parent_of(found, (COMMITTED, ACTIVE)) if found.lower else None
        return _snapshot(found, parent.key if parent else None)

    def walk(self) -> Iterator[Snapshot]:
        """Yield every snapshot whose record can be read, parents before children."""
        found = sorted(self.records.all(readable=True), key=lambda r: len(r.lower))
        names = {r.id: r.key for r in found if r.id}
        for each in found:
            yield _snapshot(each, names.get(each.lower[0]) if each.lower else None)

    def usage(self, key: str) -> Usage:
        """Measure the snapshot's own folder."""
        from plugrun.snapshots.trees import measure_tree

        found = self.found(key)
        try:
            return measure_tree(self.folder(found.id) if found.id else "")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Corrupt(
                f"the storage is damaged: {self.folder(found.id)}, the folder of snapshot {key}: "
                f"{error.strerror}",
                hint=REPAIR,
            ) from error

    def check(self) -> Iterator[Fault]:
        """Hold the records against what lies on the disk."""
        from plugrun.snapshots.checking import check

        return check(self.records)

    def mend(self, name: str, key: str) -> None:
        """Exchange the two folders: then the old files are the active snapshot's, and go."""
        with self.records.locked():
            old, new = self.found(name), self.active(key)
            if old.kind != COMMITTED or old.lower != new.lower:
                raise Conflict(f"snapshot {key} cannot be put in the place of {name}")
            place = self.folder(old.id)
            if os.path.lexists(place):
                exchange(self.folder(new.id), place)
            else:
                os.rename(self.folder(new.id), place)
        self.remove(key)

    def _drop_damaged(self, key: str) -> None:
        for kind in FOLDERS:
            try:
                os.unlink(self.records.path(kind, key))
            except FileNotFoundError:
                continue

    def sweep(self) -> int:
        """Free what no record names."""
        from plugrun.snapshots.sweeping import sweep

        return sweep(self.records, self.discard)

    def discard(self, path: str) -> None:
        """Delete a file or tree; one that is gone is no error, one that stays is a Conflict.

        A folder that is empty, as most are here, costs one call. To be overridden where a tree is
        more than its files (a subvolume).
        """
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            os.unlink(path)
        except OSError:
            from plugrun.snapshots.trees import delete_tree

            delete_tree(path)

    def folder(self, id: str) -> str:
        """Return where the files of a snapshot lie."""
        return f"{self.root}/l/{id}"

    def found(self, key: str) -> SnapshotRecord:
        """Return a snapshot's record, or raise NoSuchSnapshot."""
        found = self.records.find(key)
        if found is None:
            raise NoSuchSnapshot(f"no snapshot {key} in {self.root}")
        return found

    def active(self, key: str) -> SnapshotRecord:
        """Return the record of an active snapshot; raise Conflict if it is of another kind."""
        found = self.found(key)
        if found.kind != ACTIVE:
            raise Conflict(f"snapshot {key} is not active but {found.kind}")
        return found

    def mountable(self, key: str) -> SnapshotRecord:
        """Return the record of an active snapshot or a view, or raise Conflict."""
        found = self.found(key)
        if found.kind == COMMITTED:
            raise Conflict(f"snapshot {key} is committed; a view of it can be mounted")
        return found

    def parent_to_be(self, key: str, kinds: tuple[str, ...]) -> SnapshotRecord:
        """Return the record of a snapshot that is to become a parent, if it is of these kinds."""
        found = self.found(key)
        if found.kind not in kinds:
            raise Conflict(f"snapshot {key} is {found.kind}; it cannot be a parent here")
        return found

    def refuse_taken(self, key: str) -> None:
        """Raise AlreadyExists if there is a snapshot of this key; asked under the lock."""
        if self.records.find(key) is not None:
            raise AlreadyExists(f"there is a snapshot {key} already")

    def refuse_commit(self, name: str, found: SnapshotRecord) -> None:
        """Raise what speaks against committing a snapshot as ``name``; final under the lock."""
        self.refuse_taken(name)
        if found.lower and self._parent_of(found, (COMMITTED,)) is None:
            raise Conflict(f"snapshot {found.key} cannot be committed before its parent is")

    def before_commit(self, found: SnapshotRecord) -> None:
        """Do what must have happened when a record is renamed; called under the lock.

        To be overridden where a committed snapshot has another form than an active one. Killed
        after this the snapshot is still active.
        """

    def refuse_parent(self, found: SnapshotRecord) -> None:
        """Raise Conflict if others stand on a snapshot; asked under the lock, before a removal."""
        if found.kind == VIEW:
            return
        if found.kind == ACTIVE and not os.path.exists(f"{self.root}/p/{found.id}"):
            return
        for other in self.records.all():
            if found.id in other.lower:
                raise Conflict(f"snapshot {found.key} is a parent of {other.key}")

    def _parent_of(self, child: SnapshotRecord, kinds: tuple[str, ...]) -> SnapshotRecord | None:
        """Find the parent by its ID; the key it had may have been given up by its commit."""
        found = self.records.find(child.parent, kinds)
        if found is not None and found.id == child.lower[0]:
            return found
        for other in self.records.all():
            if other.id == child.lower[0] and other.kind in kinds:
                return other
        return None

    def free(self, id: str, folders: tuple[str, ...]) -> None:
        """Delete what an ID has in these folders of the root."""
        for folder in folders:
            self.discard(f"{self.root}/{folder}/{id}")


def _snapshot(found: SnapshotRecord, parent: str | None) -> Snapshot:
    return Snapshot(found.key, found.kind, parent, found.created_ns)
