"""Changes found by comparing two whole trees: for storages that keep no layers apart.

Where the times of change can be trusted (``change-times`` in ``plugrun.interfaces.storage``),
nothing is read of what is older than the snapshot, and the result is what overlayfs would have:
what was touched is told, and a folder that was made anew hides the one of its name. Elsewhere the
price is reading both trees.
"""

from __future__ import annotations

import os
import stat
import time

from plugrun.layers.changes import ADDED, CHANGED, DELETED, Change, compare, facts_of
from plugrun.layers.treeread import FOLDER, Node, allow_depth, open_folder, open_regular
from plugrun.linux.birth import birth_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.model.idmap import IdMap

_PIECE = 1 << 18
NEVER = -1


def tree_changes(
    before: int, now: int, since: int = NEVER, ids: IdMap | None = None
) -> Iterator[Change]:
    """Yield what is different in the tree ``now``; both are descriptors of folders.

    ``before`` is -1 if there was nothing. With ``since``, in nanoseconds, nothing whose ctime is
    not after that has changed, unless the clock says now that it is earlier. Otherwise two files
    are the same if they are one inode with one ctime, or if attributes and contents are. With
    ``ids`` the owners ``now`` are those outside of that user namespace, those ``before`` inside.
    """
    allow_depth()
    if since > time.time_ns():
        since = NEVER
    comparison = _Comparison(since, ids)
    levels = [_Level(_again(before), _again(now), b"")]
    try:
        while levels:
            level = levels[-1]
            if not level.names:
                levels.pop().close()
                continue
            change, deeper = comparison.look(level, level.names.pop())
            if deeper is not None:
                levels.append(deeper)
            if change is not None:
                yield change
    finally:
        for level in levels:
            level.close()
    parted = comparison.parted()
    if parted:
        yield from _names_of(now, parted)


def _names_of(now: int, parted: dict[int, set[bytes]]) -> Iterator[Change]:
    """Yield, quietly, the names that inodes have besides those that were told already."""
    levels = [_Level(-1, _again(now), b"")]
    try:
        while levels:
            level = levels[-1]
            if not level.names:
                levels.pop().close()
                continue
            name = level.names.pop()
            path = level.path + b"/" + name if level.path else name
            state = _state(level.now, name)
            if state is None:
                continue
            change = Change(CHANGED, path, Node(path, level.now, name, state))
            change.quiet = True
            if change.is_folder:
                deeper = _beneath(level, change, -1)
                if deeper is not None:
                    levels.append(deeper)
                yield change
            elif path not in parted.get(state.st_ino, (path,)):
                yield change
    finally:
        for level in levels:
            level.close()


class _Level:
    """A folder of both trees; ``before`` is -1 if there was none.

    ``moved`` if it, or one it is in, may have been another folder before: what is in it may be
    old and yet not be what was there. ``hides`` if it, or one it is in, was made anew.
    """

    __slots__ = ("before", "changed_ns", "hides", "moved", "names", "now", "path")

    def __init__(self, before: int, now: int, path: bytes) -> None:
        self.before = before
        self.now = now
        self.path = path
        self.moved = False
        self.hides = False
        self.changed_ns = os.fstat(now).st_ctime_ns
        names = set(os.listdir(now))
        if before >= 0:
            names.update(os.listdir(before))
        self.names = sorted([os.fsencode(name) for name in names], reverse=True)

    def close(self) -> None:
        os.close(self.now)
        if self.before >= 0:
            os.close(self.before)


def _again(fd: int) -> int:
    return os.open(b".", FOLDER, dir_fd=fd) if fd >= 0 else -1


class _Comparison:
    def __init__(self, since: int, ids: IdMap | None) -> None:
        self._since = since
        self._ids = ids
        # Of files with several names: those that were told, and the others. Both are there if a
        # folder above some moved, or if names went and others came.
        self._told: dict[int, set[bytes]] = {}
        self._untold: set[int] = set()

    def parted(self) -> dict[int, set[bytes]]:
        """Return the told names of files that have untold ones: a layer would part the two."""
        return {inode: self._told[inode] for inode in self._untold.intersection(self._told)}

    def look(self, level: _Level, name: bytes) -> tuple[Change | None, _Level | None]:
        """Compare one name; return the change if any, and what is beneath a folder."""
        path = level.path + b"/" + name if level.path else name
        below = _state(level.before, name) if level.before >= 0 else None
        if below is not None and self._ids is not None:
            from plugrun.layers.owners import state_outside

            below = state_outside(below, self._ids)
        state = _state(level.now, name)
        if state is None:
            return self._gone(level, path, below), None
        change = Change(
            ADDED if below is None else CHANGED, path, Node(path, level.now, name, state)
        )
        if change.is_folder:
            if below is None:
                return change, _beneath(level, change, -1)
            return change, self._folder(level, change, below)
        tell = below is None or self._differs(level, change, below)
        if state.st_nlink > 1:
            self._note(change, tell=tell)
        return change if tell else None, None

    def _note(self, change: Change, *, tell: bool) -> None:
        assert change.node is not None
        state = change.node.state
        if not tell:
            self._untold.add(state.st_ino)
        elif self._since != NEVER:
            self._told.setdefault(state.st_ino, set()).add(change.path)

    def _gone(self, level: _Level, path: bytes, below: os.stat_result | None) -> Change | None:
        if below is None:
            return None
        change = Change(DELETED, path)
        change.implied = level.hides
        return change

    def _folder(self, level: _Level, change: Change, below: os.stat_result) -> _Level | None:
        assert change.node is not None
        state, name = change.node.state, change.node.name
        if self._is_old(level, state):
            change.quiet = True
        else:
            compare(change, below, level.before, name)
        was_folder = stat.S_ISDIR(below.st_mode)
        deeper = _beneath(level, change, open_folder(level.before, name) if was_folder else -1)
        if deeper is not None and self._since != NEVER and was_folder:
            is_new = state.st_ctime_ns > self._since
            # A move changes the folder itself and the one it goes into.
            deeper.moved = level.moved or (is_new and level.changed_ns > self._since)
            deeper.hides = level.hides or (is_new and birth_ns(deeper.now) > self._since)
            change.hides = deeper.hides
        return deeper

    def _is_old(self, level: _Level, state: os.stat_result) -> bool:
        return state.st_ctime_ns <= self._since and not level.moved

    def _differs(self, level: _Level, change: Change, below: os.stat_result) -> bool:
        """Whether to tell of a file: it is another, or it was touched where that can be known."""
        assert change.node is not None
        state, name = change.node.state, change.node.name
        if self._is_old(level, state) and facts_of(state) == facts_of(below):
            return False
        if _inode(state) == _inode(below):
            change.quiet = True
            return level.hides
        compare(change, below, level.before, name)
        if change.quiet and stat.S_ISLNK(state.st_mode):
            targets = [os.readlink(name, dir_fd=fd) for fd in (level.before, level.now)]
            change.quiet = targets[0] == targets[1]
        # Who removes a name touches the file, whose other names overlayfs would not have.
        touched = state.st_ctime_ns > self._since and state.st_nlink >= below.st_nlink
        touched = touched and self._since != NEVER
        if not change.quiet or level.hides or touched:
            return True
        if not stat.S_ISREG(state.st_mode):
            return False
        if self._since == NEVER and max(state.st_nlink, below.st_nlink) > 1:
            return True  # the same, and perhaps no longer one file with the same names
        change.quiet = _same_content(level, name)
        return not change.quiet


def _inode(state: os.stat_result) -> tuple[int, int]:
    return state.st_ino, state.st_ctime_ns


def _beneath(level: _Level, change: Change, before: int) -> _Level | None:
    """Return a folder's level; None if there is no folder any more."""
    assert change.node is not None
    now = open_folder(level.now, change.node.name)
    if now < 0:
        if before >= 0:
            os.close(before)
        return None
    return _Level(before, now, change.path)


def _state(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _same_content(level: _Level, name: bytes) -> bool:
    files = []
    try:
        for folder in (level.before, level.now):
            fd = open_regular(folder, name)
            if fd < 0:
                return False
            files.append(fd)
        while True:
            one, other = (os.read(fd, _PIECE) for fd in files)
            if one != other:
                return False
            if not one:
                return True
    finally:
        for fd in files:
            os.close(fd)
