"""What lies in a tree, read as tar entries, by descriptors and without following symlinks.

A running container changes its tree meanwhile: everything is looked at through the descriptor
it was opened by, and nothing is opened for reading that is no regular file or folder (a FIFO
would block, and a device act).
"""

from __future__ import annotations

import os
import stat

from plugrun.layers import entry as tar
from plugrun.layers.attributes import OVERLAY, USER_OVERLAY
from plugrun.layers.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.model.idmap import IdMap

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_SKIPPED = (OVERLAY, USER_OVERLAY, "security.selinux")
_SMALLEST_SPARSE = 1 << 16

_KINDS = {
    stat.S_IFREG: tar.REGULAR,
    stat.S_IFDIR: tar.FOLDER,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFCHR: tar.CHAR,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
    stat.S_IFIFO: tar.FIFO,
}


class Node:
    """Something in a tree: its path from the top, its folder's descriptor, its name and state."""

    __slots__ = ("name", "parent", "path", "state")

    def __init__(self, path: bytes, parent: int, name: bytes, state: os.stat_result) -> None:
        self.path = path
        self.parent = parent
        self.name = name
        self.state = state

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.state.st_mode)


class Walk:
    """Yields what is beneath a folder: by name, a folder before what is in it.

    What goes away meanwhile is left out. ``skip`` keeps the walk out of the folder it has just
    yielded. Each level takes a descriptor, which is valid until the next step.
    """

    def __init__(self, root: int, path: bytes = b"") -> None:
        self._root = root
        self._path = path
        self._skipped = False

    def skip(self) -> None:
        """Do not go into the folder that was yielded last."""
        self._skipped = True

    def __iter__(self) -> Iterator[Node]:
        allow_depth()
        levels = [_Level(os.open(b".", FOLDER, dir_fd=self._root), self._path)]
        try:
            while levels:
                level = levels[-1]
                if not level.names:
                    os.close(levels.pop().fd)
                    continue
                name = level.names.pop()
                try:
                    state = os.stat(name, dir_fd=level.fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                path = level.path + b"/" + name if level.path else name
                self._skipped = False
                yield Node(path, level.fd, name, state)
                if stat.S_ISDIR(state.st_mode) and not self._skipped:
                    below = open_folder(level.fd, name)
                    if below >= 0:
                        levels.append(_Level(below, path))
        finally:
            for level in levels:
                os.close(level.fd)


def allow_depth() -> None:
    """Let this process open as many files as it may: a level of a tree takes one descriptor."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Level:
    __slots__ = ("fd", "names", "path")

    def __init__(self, fd: int, path: bytes) -> None:
        self.fd = fd
        self.path = path
        self.names = sorted([os.fsencode(name) for name in os.listdir(fd)], reverse=True)


def open_folder(parent: int, name: bytes) -> int:
    """Open a folder in a folder; return -1 if there is none any more."""
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        import errno

        if error.errno == errno.ELOOP:
            return -1
        raise


class Reader:
    """Reads nodes as entries; names of one file that come later are hard links to the first.

    With ``ids`` the tree shows owners as they are outside of that user namespace, and entries get
    those inside.
    """

    def __init__(self, ids: IdMap | None = None) -> None:
        self._first: dict[tuple[int, int], bytes] = {}
        self._ids = ids

    def read(self, node: Node, name: bytes) -> tuple[Entry, int] | None:
        """Return a node's entry under ``name``, and a descriptor of its data or -1.

        None if it is gone, or a socket, which no tar can hold. The caller closes the descriptor.
        """
        found = self._read(node, name)
        if found is not None and self._ids is not None:
            from plugrun.layers.owners import show_inside

            show_inside(found[0], self._ids)
        return found

    def _read(self, node: Node, name: bytes) -> tuple[Entry, int] | None:
        kind = _KINDS.get(stat.S_IFMT(node.state.st_mode))
        if kind is None:
            return None
        if kind == tar.REGULAR:
            return self._file(node, name)
        entry = entry_of(node.state, name, kind)
        try:
            if kind == tar.SYMLINK:
                entry.linkname = os.readlink(node.name, dir_fd=node.parent)
            elif kind == tar.FOLDER:
                entry.name += b"/"
            entry.xattrs = attributes_of(node.parent, node.name)
        except OSError:
            if _is_there(node):
                raise
            return None
        if node.state.st_nlink > 1 and kind != tar.FOLDER:
            self._link_if_known(entry, node.state)
        return entry, -1

    def _file(self, node: Node, name: bytes) -> tuple[Entry, int] | None:
        fd = open_regular(node.parent, node.name)
        if fd < 0:
            return None
        try:
            state = os.fstat(fd)
            entry = entry_of(state, name, tar.REGULAR)
            entry.xattrs = _xattrs_of(fd)
            if state.st_nlink > 1 and self._link_if_known(entry, state):
                os.close(fd)
                return entry, -1
            entry.size = entry.stored = state.st_size
            if state.st_size > _SMALLEST_SPARSE and state.st_blocks * 512 < state.st_size:
                _find_holes(fd, entry)
        except BaseException:
            os.close(fd)
            raise
        return entry, fd

    def _link_if_known(self, entry: Entry, state: os.stat_result) -> bool:
        """Make an entry a hard link if its file came before; return whether it did."""
        first = self._first.setdefault((state.st_dev, state.st_ino), entry.name)
        if first == entry.name:
            return False
        entry.type, entry.linkname, entry.xattrs = tar.LINK, first, None
        return True


def entry_of(state: os.stat_result, name: bytes, kind: bytes) -> Entry:
    """Return an entry with what stat(2) says; nothing of data, links and attributes."""
    entry = Entry()
    entry.name = name
    entry.type = kind
    entry.mode = state.st_mode & 0o7777
    entry.uid, entry.gid = state.st_uid, state.st_gid
    entry.size = entry.stored = 0
    entry.mtime_ns = state.st_mtime_ns
    entry.linkname = b""
    entry.major = entry.minor = 0
    if kind in (tar.CHAR, tar.BLOCK_DEVICE):
        entry.major, entry.minor = os.major(state.st_rdev), os.minor(state.st_rdev)
    entry.xattrs = entry.holes = None
    return entry


def open_regular(parent: int, name: bytes) -> int:
    """Open a regular file to read; return -1 if there is none of that name any more."""
    try:
        place = os.open(name, _LOOK, dir_fd=parent)
    except FileNotFoundError:
        return -1
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return -1
        return os.open(b"/proc/self/fd/%d" % place, _READ)
    finally:
        os.close(place)


def _find_holes(fd: int, entry: Entry) -> None:
    """Learn a sparse file's data segments (lseek(2), SEEK_DATA)."""
    segments: list[tuple[int, int]] = []
    offset = 0
    while offset < entry.size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            import errno

            if error.errno == errno.ENXIO:
                break
            return
        offset = min(os.lseek(fd, start, os.SEEK_HOLE), entry.size)
        if start >= offset:
            break
        segments.append((start, offset - start))
    stored = sum(length for _, length in segments)
    if stored < entry.size:
        entry.holes, entry.stored = segments, stored


def _xattrs_of(fd: int) -> dict[str, bytes] | None:
    try:
        names = os.listxattr(fd)
    except OSError as error:
        _check_kept(error)
        return None
    if not names:
        return None
    return {n: os.getxattr(fd, n) for n in names if not n.startswith(_SKIPPED)} or None


def attributes_of(parent: int, name: bytes) -> dict[str, bytes] | None:
    """Return the extended attributes of what is not opened; None if there are none."""
    path = b"/proc/self/fd/%d/%b" % (parent, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        _check_kept(error)
        return None
    if not names:
        return None
    kept = [n for n in names if not n.startswith(_SKIPPED)]
    return {n: os.getxattr(path, n, follow_symlinks=False) for n in kept} or None


def _check_kept(error: OSError) -> None:
    """Raise an error unless it says that this file system has no attributes."""
    import errno

    if error.errno != errno.ENOTSUP:
        raise error


def _is_there(node: Node) -> bool:
    try:
        now = os.stat(node.name, dir_fd=node.parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_IFMT(now.st_mode) == stat.S_IFMT(node.state.st_mode)
