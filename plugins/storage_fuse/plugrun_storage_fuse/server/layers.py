"""Names in a stack of folders: what a merged folder shows, and the descriptors it is read by.

The layers are as overlayfs has them (Documentation/filesystems/overlayfs.rst): a character device
0:0 hides a name, so does an empty file with trusted.overlay.whiteout in a folder marked
trusted.overlay.opaque=x; and =y hides the folders of that name beneath. Each name is looked up in
an open folder and never followed, so nothing outside the layers is reached, whatever lies in them.
"""

from __future__ import annotations

import os
import stat

from plugrun_storage_fuse.server.nodes import Folder

OPAQUE = "trusted.overlay.opaque"
_WHITEOUT = "trusted.overlay.whiteout"
TOP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LOW = TOP | os.O_NOATIME

Found = tuple[os.stat_result, bool, int]  # its state, whether it is in the upper, else in which


class Layers:
    """Opens folders, and finds names in them."""

    __slots__ = ("_fds", "_limit", "_open", "_tick")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._fds = 0  # not fewer than there are; those of dropped nodes are found when it counts
        self._open: dict[Folder, None] = {}
        self._tick = 0

    def open_root(self, root: Folder, lower: list[str], upper: str) -> None:
        """Open the layers themselves."""
        root.up = bool(upper)
        root.opened = True
        if upper:
            root.top = os.open(upper, TOP)
            hides = _mark(root.top)
            root.marked = (-1,) if hides == b"x" else ()
            if hides == b"y":
                return
        for number, path in enumerate(lower):
            self._add(root, os.open(path, LOW & ~os.O_NOFOLLOW), number)

    def open(self, folder: Folder) -> None:
        """See to it that a folder's descriptors are there."""
        self._tick += 1
        folder.used = self._tick
        if folder.opened:
            return
        closed = []
        node: Folder | None = folder
        while node is not None and not node.opened:
            closed.append(node)
            node = node.parent
        for one in reversed(closed):
            self._open_one(one)

    def _open_one(self, folder: Folder) -> None:
        parent = folder.parent
        if parent is None:
            raise FileNotFoundError(2, "a folder without a name")
        folder.low, folder.layers, folder.marked = [], [], ()
        start = folder.layer
        hides = b""
        if folder.up:
            start = 0
            folder.top = os.open(folder.name, TOP, dir_fd=parent.top)
            hides = _mark(folder.top)
            if hides == b"x":
                folder.marked = (-1,)
        folder.opened = True
        folder.used = self._tick
        self._open[folder] = None
        if parent.low and hides != b"y":
            self._open_low(folder, parent, start)
        self._fds += 1 + len(folder.low)

    def _open_low(self, folder: Folder, parent: Folder, start: int) -> None:
        name = folder.name
        if len(parent.low) > 1:
            first = index(parent).get(name, -1)
            if first < 0:
                return
            start = max(start, first)
        for number in range(start, len(parent.low)):
            try:
                fd = os.open(name, LOW, dir_fd=parent.low[number])
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                return
            if self._add(folder, fd, parent.layers[number]):
                return

    def _add(self, folder: Folder, fd: int, layer: int) -> bool:
        """Put a folder beneath; tell whether it hides the rest."""
        hides = _mark(fd)
        if hides == b"x":
            folder.marked = (*folder.marked, len(folder.low))
        folder.low.append(fd)
        folder.layers.append(layer)
        return hides == b"y"

    def spare(self) -> None:
        """Close the folders that were longest not used, if too many are open.

        Only between two requests: one that is under way has descriptors in its hands.
        """
        if self._fds < self._limit:
            return
        self._open = {one: None for one in self._open if one.opened}
        self._fds = sum(1 + len(one.low) for one in self._open)
        if self._fds < self._limit // 2:
            return
        oldest = sorted(self._open, key=lambda one: one.used)
        for folder in oldest[: len(oldest) // 2 + 1]:
            if not folder.removed:
                self._fds -= folder.close()
                del self._open[folder]

    def find(self, folder: Folder, name: bytes) -> Found | None:
        """Return what a merged folder shows under a name."""
        if not folder.opened:
            self.open(folder)
        top = folder.top
        if top >= 0:
            try:
                state = os.stat(name, dir_fd=top, follow_symlinks=False)
            except FileNotFoundError:
                pass
            else:
                if not state.st_rdev and is_whiteout(folder, -1, name, state):
                    return None
                return state, True, 0
        if not folder.low:
            return None
        return self.find_below(folder, name)

    def find_below(self, folder: Folder, name: bytes) -> Found | None:
        """Return what would be seen if the upper layer had not the name."""
        if not folder.opened:
            self.open(folder)
        low = folder.low
        number = 0
        if len(low) != 1:
            number = index(folder).get(name, -1) if low else -1
            if number < 0:
                return None
        try:
            state = os.stat(name, dir_fd=low[number], follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not state.st_rdev and is_whiteout(folder, number, name, state):
            return None
        return state, False, number

    def covered(self, folder: Folder, name: bytes) -> bool:
        """Whether a layer beneath has something to be hidden under a name."""
        return bool(folder.low) and self.find_below(folder, name) is not None

    def names(self, folder: Folder) -> list[bytes]:
        """List what a merged folder shows."""
        self.open(folder)
        seen: dict[bytes, bool] = {}
        if folder.top >= 0:
            _list(folder, -1, folder.top, seen)
        if len(folder.low) == 1:
            _list(folder, 0, folder.low[0], seen)
        elif folder.low:
            for name, number in index(folder).items():
                seen.setdefault(name, number >= 0)
        return [name for name, shown in seen.items() if shown]


def index(folder: Folder) -> dict[bytes, int]:
    """Return in which layer beneath each name is found first, -1 where that hides it.

    Layers beneath never change, so this is made once; without it a look-up would ask each of them.
    """
    if folder.below is None:
        below: dict[bytes, int] = {}
        for number, fd in enumerate(folder.low):
            seen: dict[bytes, bool] = {}
            _list(folder, number, fd, seen)
            for name, shown in seen.items():
                below.setdefault(name, number if shown else -1)
        folder.below = below
    return folder.below


def _list(folder: Folder, number: int, fd: int, seen: dict[bytes, bool]) -> None:
    """Add a folder's names to those seen before, with whether they are shown."""
    marked = number in folder.marked
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if name in seen:
                continue
            shown = True
            if marked or not _is_common(entry):
                shown = not _hides(folder, number, fd, name)
            seen[name] = shown


def _is_common(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is of a kind that whiteouts are not, as the folder itself tells."""
    return (
        entry.is_file(follow_symlinks=False)
        or entry.is_dir(follow_symlinks=False)
        or entry.is_symlink()
    )


def _hides(folder: Folder, number: int, fd: int, name: bytes) -> bool:
    try:
        state = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return not state.st_rdev and is_whiteout(folder, number, name, state)


def is_whiteout(folder: Folder, number: int, name: bytes, state: os.stat_result) -> bool:
    """Whether an entry without a device number deletes its name."""
    if stat.S_ISCHR(state.st_mode):
        return True
    if number not in folder.marked or state.st_size or not stat.S_ISREG(state.st_mode):
        return False
    fd = folder.top if number < 0 else folder.low[number]
    try:
        os.getxattr(b"/proc/self/fd/%d/%b" % (fd, name), _WHITEOUT, follow_symlinks=False)
    except OSError:
        return False
    return True


def _mark(fd: int) -> bytes:
    try:
        return os.getxattr(fd, OPAQUE)
    except OSError:
        return b""
