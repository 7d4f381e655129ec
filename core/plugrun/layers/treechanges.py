"""Changes found by comparing two whole trees: for any storage, at the price of reading both."""

from __future__ import annotations

import os
import stat

from plugrun.layers.changes import ADDED, CHANGED, DELETED, Change, compare
from plugrun.layers.treeread import FOLDER, Node, allow_depth, open_folder, open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 1 << 18


def tree_changes(before: int, now: int) -> Iterator[Change]:
    """Yield what is different in the tree ``now``; both are descriptors of folders.

    Two files are the same if all that stat(2) says is, the time of the last change included, or
    else if their attributes and contents are. So where a storage copies, everything is read.
    """
    allow_depth()
    levels = [_Level(_again(before), _again(now), b"")]
    try:
        while levels:
            level = levels[-1]
            if not level.names:
                levels.pop().close()
                continue
            change, below = _look(level, level.names.pop())
            if change is not None:
                yield change
            if change is not None and change.is_folder:
                deeper = _deeper(level, change, below)
                if deeper is not None:
                    levels.append(deeper)
    finally:
        for level in levels:
            level.close()


class _Level:
    """A folder of both trees; ``before`` is -1 if there was none."""

    __slots__ = ("before", "names", "now", "path")

    def __init__(self, before: int, now: int, path: bytes) -> None:
        self.before = before
        self.now = now
        self.path = path
        names = set(os.listdir(now))
        if before >= 0:
            names.update(os.listdir(before))
        self.names = sorted([os.fsencode(name) for name in names], reverse=True)

    def close(self) -> None:
        os.close(self.now)
        if self.before >= 0:
            os.close(self.before)


def _again(fd: int) -> int:
    return os.open(b".", FOLDER, dir_fd=fd)


def _look(level: _Level, name: bytes) -> tuple[Change | None, os.stat_result | None]:
    path = level.path + b"/" + name if level.path else name
    below = _state(level.before, name) if level.before >= 0 else None
    state = _state(level.now, name)
    if state is None:
        return (Change(DELETED, path) if below is not None else None), below
    node = Node(path, level.now, name, state)
    if below is None:
        return Change(ADDED, path, node), None
    change = Change(CHANGED, path, node)
    compare(change, below, level.before, name)
    if change.quiet and stat.S_ISREG(state.st_mode):
        if state.st_ctime_ns == below.st_ctime_ns:
            return None, below
        if max(state.st_nlink, below.st_nlink) > 1:
            return change, below  # the same, and perhaps no longer one file with the same names
        if _same_content(level, name):
            return None, below
        change.quiet = False
    elif change.quiet and stat.S_ISLNK(state.st_mode):
        targets = [os.readlink(name, dir_fd=fd) for fd in (level.before, level.now)]
        change.quiet = targets[0] == targets[1]
    if change.quiet and not change.is_folder:
        return None, below
    return change, below


def _deeper(level: _Level, change: Change, below: os.stat_result | None) -> _Level | None:
    assert change.node is not None
    name = change.node.name
    now = open_folder(level.now, name)
    if now < 0:
        return None
    was_folder = below is not None and stat.S_ISDIR(below.st_mode)
    return _Level(open_folder(level.before, name) if was_folder else -1, now, change.path)


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
