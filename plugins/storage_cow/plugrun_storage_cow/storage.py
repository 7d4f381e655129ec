"""The storage verbs over plain directories, each snapshot a whole tree of its own.

A tree is copied beside everything that counts, into ``l/ID`` that no record names, and a record
makes it count. The copy runs without the lock, so that others need not wait for it; its parent is
kept by a flock(2) on the parent's folder. While processes may be copying, they hold ``t/copy-ID``:
``sweep`` waits for those of a killed command.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from plugrun.api import (
    ACTIVE,
    CHANGE_TIMES,
    COMMITTED,
    IDMAPPED,
    MOUNTLESS,
    POSIX_UNION,
    WHITEOUT_UNLINK,
    WHOLE_IMAGES,
    Conflict,
    Corrupt,
    LayerTree,
    Mount,
    NoSpace,
    PlugrunError,
    SnapshotRecord,
    SnapshotStore,
    filesystem,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Probe, Usage

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_COARSE = 5  # CLOCK_REALTIME_COARSE, which file systems take their times from
_TICK = 0.001  # seconds; the clock's own are 1 to 10 ms
_TICKS = 100


class CowStorage(SnapshotStore):
    """Snapshots as whole trees: subvolumes on btrfs, and copies elsewhere."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._btrfs = _magic(root) == filesystem.BTRFS_MAGIC
        costly = () if self._btrfs else (WHOLE_IMAGES,)
        self.capabilities = frozenset((MOUNTLESS, POSIX_UNION, CHANGE_TIMES, IDMAPPED, *costly))

    def probe(self) -> Probe:
        """Try what files can have on the root's file system, and how they are copied there."""
        from plugrun_storage_cow.trial import probe

        return probe(self.root)

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot: a copy of its parent's tree, and a record."""
        with self.records.locked():
            self.refuse_taken(key)
            below = None if parent is None else self.parent_to_be(parent, (COMMITTED,))
            kept = -1 if below is None else _keep(self.folder(below.id))
            id = self.records.new_folder()
        try:
            created = self._fill(id, below)
            lower = () if below is None else (below.id, *below.lower)
            with self.records.locked():
                self.refuse_taken(key)
                self.records.write(SnapshotRecord(ACTIVE, key, id, created, parent or "", lower))
        except BaseException as error:
            self.discard(self.folder(id))
            if isinstance(error, OSError):
                raise _explained(error, parent, self.root) from error
            raise
        finally:
            if kept >= 0:
                os.close(kept)
        _wait_until_after(created)

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """Return one bind, read-only of a view."""
        found = self.mountable(key)
        if found.kind == ACTIVE:
            return (Mount("bind", self.folder(found.id), ("bind", "rw")),)
        return (Mount("bind", self.folder(found.lower[0]), ("bind", "ro")),)

    def layer_tree(self, key: str) -> LayerTree:
        """Return the active snapshot's whole tree."""
        return LayerTree(self.folder(self.active(key).id), WHITEOUT_UNLINK)

    def usage(self, key: str) -> Usage:
        """Measure what was made or changed since the snapshot was made."""
        from plugrun.api import measure_tree

        found = self.found(key)
        if not found.id or not found.lower:
            return super().usage(key)
        try:
            return measure_tree(self.folder(found.id), after=found.created_ns)
        except (FileNotFoundError, NotADirectoryError):
            return super().usage(key)  # says what is wrong

    def refuse_parent(self, found: SnapshotRecord) -> None:
        """As beneath, and nothing is removed that is being copied."""
        super().refuse_parent(found)
        if found.kind != COMMITTED:
            return
        try:
            fd = os.open(self.folder(found.id), _FOLDER)
        except (FileNotFoundError, NotADirectoryError):
            return  # damaged by hand
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"snapshot {found.key} is being copied") from None
        finally:
            os.close(fd)

    def discard(self, path: str) -> None:
        """Delete a file, a tree or a subvolume; wait for the processes of a killed copy."""
        if os.path.basename(path).startswith("copy-"):
            _wait_for(path)
        elif self._btrfs:
            from plugrun_storage_cow.subvolumes import destroy_subvolume, is_subvolume

            if is_subvolume(path):
                destroy_subvolume(path)
                return
        super().discard(path)

    def _fill(self, id: str, below: SnapshotRecord | None) -> int:
        """Make a new snapshot's tree; return the time that all of its files are older than."""
        path = self.folder(id)
        if self._btrfs:
            from plugrun_storage_cow.subvolumes import (
                is_subvolume,
                make_subvolume,
                snapshot_subvolume,
            )

            os.rmdir(path)
            if below is not None and is_subvolume(self.folder(below.id)):
                snapshot_subvolume(self.folder(below.id), path)
                return self._time_of_snapshot(path, below)
            make_subvolume(path)
        if below is None:
            os.chmod(path, 0o755)
        else:
            self._copy(self.folder(below.id), path, id)
        return _touch(path)

    def _copy(self, source: str, target: str, id: str) -> None:
        from plugrun.api import copy_fresh_tree

        held = f"{self.root}/t/copy-{id}"
        # What processes that copy inherit, and hold until the last of them has ended.
        fds = [os.open(held, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)]
        try:
            fcntl.flock(fds[0], fcntl.LOCK_EX)
            fds += [os.open(source, _FOLDER)]
            fds += [os.open(target, _FOLDER)]
            copy_fresh_tree(fds[1], fds[2])
        finally:
            for fd in fds:
                os.close(fd)
            os.unlink(held)

    def _time_of_snapshot(self, path: str, below: SnapshotRecord) -> int:
        """A snapshot's files have the times they had: those from before the parent's commit."""
        now = time.clock_gettime_ns(_COARSE)
        committed = os.stat(self.records.path(COMMITTED, below.key)).st_ctime_ns
        return now - 1 if committed < now else _touch(path)


def _magic(root: str) -> int:
    """Return the type of the file system that a root lies on, or will lie on."""
    while True:
        try:
            return filesystem.filesystem_magic(root)
        except FileNotFoundError:
            root = os.path.dirname(root)


def _keep(folder: str) -> int:
    """Keep a parent from being removed until the descriptor is closed."""
    try:
        fd = os.open(folder, _FOLDER)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Corrupt(
            f"the storage is damaged: the snapshot's folder {folder}: {error.strerror}",
            hint="plugrun system check --repair puts right what can be",
        ) from error
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _touch(folder: str) -> int:
    """Return the time of a change made now: no file that was made before has a later one."""
    state = os.stat(folder)
    os.utime(folder, ns=(state.st_atime_ns, state.st_mtime_ns))
    return os.stat(folder).st_ctime_ns


def _wait_until_after(moment: int) -> None:
    """Wait until what changes next has a later time; a clock that is set back ends the wait."""
    for _ in range(_TICKS):
        if time.clock_gettime_ns(_COARSE) > moment:
            return
        time.sleep(_TICK)


def _wait_for(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    finally:
        os.close(fd)


def _explained(error: OSError, parent: str | None, root: str) -> PlugrunError:
    what = f"cannot copy snapshot {parent} in {root}" if parent else f"cannot make one in {root}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"{what}: {error.strerror}",
            hint="free some space there, or keep --root on btrfs or xfs, where copies share theirs",
        )
    return PlugrunError(
        f"{what}: {error.strerror}", hint="`plugrun system info` says what its file system can do"
    )
