"""Changes read from a layer's own folder, over the folders of the layers beneath.

The layer is an upper folder of overlayfs: marks in it delete names, and hide what folders hold
beneath (``marks``).
"""

from __future__ import annotations

import os
import stat

from plugrun.layers.changes import ADDED, CHANGED, DELETED, Change, compare
from plugrun.layers.marks import Marks
from plugrun.layers.treeread import FOLDER, Node, allow_depth, open_folder
from plugrun.linux.images import open_layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.interfaces.storage import LayerTree


def layer_changes(tree: LayerTree) -> Iterator[Change]:
    """Yield what a layer changes of those beneath it; its style of whiteouts has marks."""
    allow_depth()
    fds: list[int] = []
    try:
        for path in (tree.path, *tree.lower):
            fds.append(open_layer(path, tree.images))
        yield from _Walk(fds, Marks(tree.whiteouts)).run()
    finally:
        for fd in fds:
            os.close(fd)


class _Level:
    """One folder of the layer, and those that it is merged with, nearest first."""

    __slots__ = ("fd", "hides", "lower", "names", "path")

    def __init__(self, fd: int, path: bytes, lower: list[int], hides: bool) -> None:
        self.fd = fd
        self.path = path
        self.lower = lower
        self.hides = hides
        names = set(os.listdir(fd))
        if hides:
            for one in lower:
                names.update(os.listdir(one))
        self.names = sorted([os.fsencode(name) for name in names], reverse=True)

    def close(self) -> None:
        for one in (self.fd, *self.lower):
            os.close(one)


class _Walk:
    def __init__(self, fds: list[int], marks: Marks) -> None:
        self._marks = marks
        own = [os.dup(fd) for fd in fds]
        self._levels = [_Level(own[0], b"", own[1:], False)]

    def run(self) -> Iterator[Change]:
        try:
            while self._levels:
                level = self._levels[-1]
                if not level.names:
                    self._levels.pop().close()
                    continue
                name = level.names.pop()
                change = self._look(level, name)
                if change is not None:
                    yield change
        finally:
            for level in self._levels:
                level.close()

    def _look(self, level: _Level, name: bytes) -> Change | None:
        path = level.path + b"/" + name if level.path else name
        below = _Below(level.lower, name, self._marks)
        try:
            state = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
        except FileNotFoundError:
            return self._hidden(level, path, below)
        if self._marks.is_whiteout(level.fd, name, state):
            below.close()
            return Change(DELETED, path) if below.state is not None else None
        node = Node(path, level.fd, name, state)
        if below.state is None:
            change = Change(ADDED, path, node)
        else:
            change = Change(CHANGED, path, node)
            compare(change, below.state, below.parent, name)
        self._enter(level, change, below)
        return change

    def _hidden(self, level: _Level, path: bytes, below: _Below) -> Change | None:
        """A name that is only beneath an opaque folder, or that has just gone."""
        below.close()
        if below.state is None or not level.hides:
            return None
        change = Change(DELETED, path)
        change.implied = True
        return change

    def _enter(self, level: _Level, change: Change, below: _Below) -> None:
        """Go into a folder next."""
        assert change.node is not None
        fd = open_folder(level.fd, change.node.name) if change.is_folder else -1
        if fd < 0:
            below.close()
            return
        change.hides = bool(below.folders) and (level.hides or self._marks.is_opaque(fd))
        self._levels.append(_Level(fd, change.path, below.folders, change.hides))


class _Below:
    """What the layers beneath show under a name.

    ``state`` is None if nothing. ``parent`` is the folder it lies in; ``folders`` are open, to be
    merged with the layer's own.
    """

    def __init__(self, lower: list[int], name: bytes, marks: Marks) -> None:
        self.state: os.stat_result | None = None
        self.parent = -1
        self.folders: list[int] = []
        for one in lower:
            try:
                state = os.stat(name, dir_fd=one, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if marks.is_whiteout(one, name, state):
                return
            if self.state is None:
                self.state, self.parent = state, one
            if not stat.S_ISDIR(state.st_mode):
                return
            fd = os.open(name, FOLDER, dir_fd=one)
            self.folders.append(fd)
            if marks.is_opaque(fd):
                return

    def close(self) -> None:
        for fd in self.folders:
            os.close(fd)
