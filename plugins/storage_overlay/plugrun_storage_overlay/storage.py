"""The storage verbs over kernel overlayfs (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

import os
import time

from plugrun.api import (
    ACTIVE,
    COMMITTED,
    INDEPENDENT_LAYERS,
    VIEW,
    WHITEOUT_OVERLAYFS,
    AlreadyExists,
    Conflict,
    LayerTree,
    Mount,
    NoSuchSnapshot,
    Snapshot,
)

from plugrun_storage_overlay.records import Record, Records, refuse_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.api import Probe, Usage

# What a layer is must not depend on other layers' or the kernel's defaults: with these off, an
# upper folder holds whole files, whiteouts and opaque marks only, as image layers need it.
_FEATURES = ("index=off", "metacopy=off", "redirect_dir=off")
_MOST_LOWER = 500  # OVL_MAX_STACK in fs/overlayfs/ovl_entry.h


class OverlayStorage:
    """Snapshots as stacks of folders; see ``records`` for what lies on disk."""

    capabilities = frozenset((INDEPENDENT_LAYERS,))

    def __init__(self, root: str) -> None:
        refuse_root(root)
        self._root = root
        self._records = Records(root)

    def probe(self) -> Probe:
        """Mount a trial overlay on the root's file system, in a child with its own mounts."""
        from plugrun_storage_overlay.trial import probe

        return probe(self._root)

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot: two folders and a record."""
        with _Locked(self._records):
            self._refuse_taken(key)
            below = None if parent is None else self._parent(parent, (COMMITTED, ACTIVE))
            lower = () if below is None else (below.id, *below.lower)
            id = self._records.new_layer()
            if below is None:
                os.chmod(f"{self._root}/l/{id}", 0o755)
            else:
                _copy_root(f"{self._root}/l/{below.id}", f"{self._root}/l/{id}")
                os.mkdir(f"{self._root}/w/{id}", 0o700)
            if below is not None and below.kind == ACTIVE:
                _touch(f"{self._root}/p/{below.id}")
            self._records.write(Record(ACTIVE, key, id, time.time_ns(), parent or "", lower))

    def view(self, key: str, parent: str) -> None:
        """Make a read-only snapshot: a record alone."""
        with _Locked(self._records):
            self._refuse_taken(key)
            below = self._parent(parent, (COMMITTED,))
            lower = (below.id, *below.lower)
            self._records.write(Record(VIEW, key, "", time.time_ns(), parent, lower))

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """Return one overlay, or a bind where there is one layer only."""
        found = self._get(key)
        if found.kind == COMMITTED:
            raise Conflict(f"snapshot {key} is committed; a view of it can be mounted")
        layers = f"{self._root}/l"
        lower = [f"{layers}/{id}" for id in found.lower]
        if found.kind == ACTIVE and not lower:
            return (Mount("bind", f"{layers}/{found.id}", ("bind", "rw")),)
        if found.kind == VIEW and len(lower) == 1:
            return (Mount("bind", lower[0], ("bind", "ro")),)
        options: tuple[str, ...] = ("lowerdir=" + ":".join(lower),)
        if found.kind == ACTIVE:
            upper = f"upperdir={layers}/{found.id}"
            options = (*options, upper, f"workdir={self._root}/w/{found.id}")
        else:
            options = ("ro", *options)
        return (Mount("overlay", "overlay", (*options, *_FEATURES)),)

    def layer_tree(self, key: str) -> LayerTree:
        """Return the active snapshot's own folder."""
        found = self._active(key)
        lower = tuple(f"{self._root}/l/{id}" for id in found.lower)
        return LayerTree(f"{self._root}/l/{found.id}", WHITEOUT_OVERLAYFS, lower)

    def commit(self, name: str, key: str) -> None:
        """Rename the record.

        Whoever wants the layer to survive a power failure syncs its files before; the rename is on
        the disk with the next journal commit, hence with any later fsync on this file system.
        """
        with _Locked(self._records):
            found = self._active(key)
            self._refuse_taken(name)
            if found.lower and self._parent_record(found, (COMMITTED,)) is None:
                raise Conflict(f"snapshot {key} cannot be committed before its parent is")
            os.rename(self._records.path(ACTIVE, key), self._records.path(COMMITTED, name))
        self._free(found.id, ("w", "p"))

    def remove(self, key: str) -> None:
        """Take the record away, which is the act; then delete the files."""
        with _Locked(self._records):
            found = self._get(key)
            self._refuse_parent(found)
            path = self._records.path(found.kind, key)
            if found.kind == VIEW:
                os.unlink(path)
                return
            os.rename(path, f"{self._root}/r/{found.id}")
        self._free(found.id, ("l", "w", "p", "r"))

    def stat(self, key: str) -> Snapshot:
        """Return what is known of one snapshot."""
        found = self._get(key)
        return _snapshot(found, self._parent_key(found))

    def walk(self) -> Iterator[Snapshot]:
        """Yield every snapshot, parents before children."""
        found = sorted(self._records.all(), key=lambda r: len(r.lower))
        names = {r.id: r.key for r in found if r.id}
        for each in found:
            yield _snapshot(each, names.get(each.lower[0]) if each.lower else None)

    def usage(self, key: str) -> Usage:
        """Measure the snapshot's own folder."""
        from plugrun_storage_overlay.trees import measure

        found = self._get(key)
        return measure(f"{self._root}/l/{found.id}" if found.id else "")

    def sweep(self) -> int:
        """Free what no record names."""
        from plugrun_storage_overlay.sweeping import sweep

        return sweep(self._records)

    def _get(self, key: str) -> Record:
        found = self._records.find(key)
        if found is None:
            raise NoSuchSnapshot(f"no snapshot {key} in {self._root}")
        return found

    def _active(self, key: str) -> Record:
        found = self._get(key)
        if found.kind != ACTIVE:
            raise Conflict(f"snapshot {key} is not active but {found.kind}")
        return found

    def _parent(self, key: str, kinds: tuple[str, ...]) -> Record:
        found = self._get(key)
        if found.kind not in kinds:
            raise Conflict(f"snapshot {key} is {found.kind}; it cannot be a parent here")
        if len(found.lower) >= _MOST_LOWER:
            raise Conflict(f"snapshot {key} has {len(found.lower) + 1} layers; overlay takes 500")
        return found

    def _refuse_taken(self, key: str) -> None:
        if self._records.find(key) is not None:
            raise AlreadyExists(f"there is a snapshot {key} already")

    def _refuse_parent(self, found: Record) -> None:
        if found.kind == VIEW:
            return
        if found.kind == ACTIVE and not os.path.exists(f"{self._root}/p/{found.id}"):
            return
        for other in self._records.all():
            if found.id in other.lower:
                raise Conflict(f"snapshot {found.key} is a parent of {other.key}")

    def _parent_key(self, child: Record) -> str | None:
        found = self._parent_record(child, (COMMITTED, ACTIVE)) if child.lower else None
        return found.key if found else None

    def _parent_record(self, child: Record, kinds: tuple[str, ...]) -> Record | None:
        """Find the parent by its ID; the key it had may have been given up by its commit."""
        found = self._records.find(child.parent, kinds)
        if found is not None and found.id == child.lower[0]:
            return found
        for other in self._records.all():
            if other.id == child.lower[0] and other.kind in kinds:
                return other
        return None

    def _free(self, id: str, folders: tuple[str, ...]) -> None:
        for folder in folders:
            _delete(f"{self._root}/{folder}/{id}")


class _Locked:
    """Hold the lock for a block."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def __enter__(self) -> None:
        self._fd = self._records.lock()

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _snapshot(found: Record, parent: str | None) -> Snapshot:
    return Snapshot(found.key, found.kind, parent, found.created_ns)


def _copy_root(source: str, target: str) -> None:
    """Give a new upper folder the attributes of what it covers: overlayfs shows the upper's."""
    below = os.stat(source)
    if below.st_uid or below.st_gid:
        os.chown(target, below.st_uid, below.st_gid)
    os.chmod(target, below.st_mode & 0o7777)
    for name in os.listxattr(source):
        if not name.startswith("trusted.overlay."):
            os.setxattr(target, name, os.getxattr(source, name))


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _delete(path: str) -> None:
    """Delete a file or tree; a folder that is empty, as most are here, costs one call."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
    except OSError:
        from plugrun_storage_overlay.trees import delete

        delete(path)
