"""A tree copied into an empty folder that nobody else uses: what a snapshot is where a file system
cannot make one.

First all folders are made, then the files in each, and last what several names share. Big trees
are shared out to forked processes (``copyworkers``), since one interpreter alone cannot keep a
file system busy. Kept are owners, modes, times to the nanosecond, extended attributes and ACLs,
hard links, devices, FIFOs, sockets and holes; not kept are the flags of chattr(1).

Trees may be deeper than PATH_MAX, or than there are descriptors; symlinks are never followed and
mounts never entered.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.linux import beneath
from plugrun.linux.contents import copy_content, share_content
from plugrun.linux.specials import copy_special

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Shared = tuple[bytes, int, int]  # a name, and the device and inode it stands for
    Left = list[tuple[int, list[Shared]]]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_RULES = beneath.RESOLVE_BENEATH | beneath.RESOLVE_NO_XDEV | beneath.RESOLVE_NO_SYMLINKS
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 3000  # bytes of a path opened at once; PATH_MAX is 4096
_WORTH_A_FORK = 400  # entries: to copy so many takes longer than a fork
_MOST_WORKERS = 4


def copy_fresh_tree(source: int, target: int, *, workers: int = 0) -> None:
    """Copy what is in one folder into another, which is empty, and give it its attributes.

    Both are descriptors. Nothing may change either meanwhile, and if this fails the target is to be
    thrown away. ``workers`` processes do it; 0 is as many as pay. Raise OSError, or PlugrunError
    if a process of them was killed.
    """
    copy = TreeCopy(source, target)
    copy.make_folders()
    count = workers or _worth(sum(copy.weights))
    if count > 1:
        from plugrun.snapshots.copyworkers import share_out

        left = share_out(copy, count)
    else:
        left = copy.fill(range(copy.count))
    copy.link(left)


def _worth(entries: int) -> int:
    """Return how many processes pay; a process with threads must not fork."""
    if entries < 2 * _WORTH_A_FORK:
        return 1
    from plugrun.linux.process import has_one_thread

    if not has_one_thread():
        return 1
    return min(len(os.sched_getaffinity(0)), entries // _WORTH_A_FORK, _MOST_WORKERS)


class TreeCopy:
    """One copy on its way; forked processes each go on with their own.

    ``weights`` are the numbers of entries in the folders, which are known by their numbers.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        # Of each folder, the number of the one it is in and its name; outermost first.
        self._folders: list[tuple[int, bytes]] = [(-1, b"")]
        self._clones = True
        self.weights: list[int] = []

    @property
    def count(self) -> int:
        """How many folders there are."""
        return len(self._folders)

    def make_folders(self) -> None:
        """Make all folders, and leave them empty."""
        while len(self.weights) < len(self._folders):
            number = len(self.weights)
            source, target = self._open(number)
            try:
                with os.scandir(source) as entries:
                    self.weights.append(self._make_beneath(number, target, entries))
            finally:
                os.close(source)
                os.close(target)

    def _make_beneath(self, number: int, target: int, entries: Iterable[os.DirEntry[str]]) -> int:
        count = 1
        for entry in entries:
            count += 1
            if entry.is_dir(follow_symlinks=False):
                name = os.fsencode(entry.name)
                os.mkdir(name, 0o700, dir_fd=target)
                self._folders.append((number, name))
        return count

    def fill(self, numbers: range) -> Left:
        """Copy the files in some folders, and the folders' attributes.

        Return what was left out, by folder: names that share their file with others. Those folders
        have no attributes yet.
        """
        left = []
        for number in numbers:
            source, target = self._open(number)
            try:
                shared = self._fill(source, target)
                if shared:
                    left.append((number, shared))
                else:
                    _copy_attributes(source, target)
            finally:
                os.close(source)
                os.close(target)
        return left

    def _fill(self, source: int, target: int) -> list[Shared]:
        shared = []
        for name in map(os.fsencode, os.listdir(source)):
            state = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                continue
            if state.st_nlink > 1:
                shared.append((name, state.st_dev, state.st_ino))
            else:
                self._entry(source, target, name, state)
        return shared

    def link(self, left: Left) -> None:
        """Make what ``fill`` left out: one file each, and the other names as links to it."""
        first: dict[tuple[int, int], tuple[int, bytes]] = {}
        for number, shared in left:
            source, target = self._open(number)
            try:
                for name, device, inode in shared:
                    known = first.setdefault((device, inode), (number, name))
                    if known == (number, name):
                        state = os.stat(name, dir_fd=source, follow_symlinks=False)
                        self._entry(source, target, name, state)
                    else:
                        self._link(known, target, name)
                _copy_attributes(source, target)
            finally:
                os.close(source)
                os.close(target)

    def _link(self, known: tuple[int, bytes], target: int, name: bytes) -> None:
        number, there = known
        folder = self._descend(self._target, number)
        try:
            os.link(there, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(folder)

    def _entry(self, source: int, target: int, name: bytes, state: os.stat_result) -> None:
        if stat.S_ISREG(state.st_mode):
            self._file(source, target, name, state)
        else:
            copy_special(source, name, state, target, name)

    def _file(self, source: int, target: int, name: bytes, state: os.stat_result) -> None:
        read = os.open(name, _READ, dir_fd=source)
        try:
            made = os.open(name, _NEW, 0o600, dir_fd=target)
            try:
                if state.st_size:
                    self._content(read, made, state)
                os.fchown(made, state.st_uid, state.st_gid)
                os.fchmod(made, state.st_mode & 0o7777)
                _copy_xattrs(read, made)
                os.utime(made, ns=(state.st_atime_ns, state.st_mtime_ns))
            finally:
                os.close(made)
        finally:
            os.close(read)

    def _content(self, read: int, made: int, state: os.stat_result) -> None:
        shared = share_content(read, made) if self._clones else None
        if shared is None:
            self._clones = False
        if not shared:
            copy_content(read, made, state)

    # -- folders, which may be deeper than a path reaches -----------------------------------

    def _open(self, number: int) -> tuple[int, int]:
        """Open a folder of the source, and the same of the target; the caller closes both."""
        source = self._descend(self._source, number)
        try:
            return source, self._descend(self._target, number)
        except BaseException:
            os.close(source)
            raise

    def _descend(self, top: int, number: int) -> int:
        pieces = [b"."]
        while number:
            number, name = self._folders[number]
            if len(pieces[-1]) + len(name) < _PIECE:
                pieces[-1] = name + b"/" + pieces[-1]
            else:
                pieces.append(name)
        fd = beneath.openat2(top, pieces.pop(), _FOLDER, resolve=_RULES)
        while pieces:
            try:
                deeper = beneath.openat2(fd, pieces.pop(), _FOLDER, resolve=_RULES)
            finally:
                os.close(fd)
            fd = deeper
        return fd


def _copy_attributes(source: int, target: int) -> None:
    """Give a folder what another has, when it is full: what is made in it would inherit."""
    state = os.fstat(source)
    os.fchown(target, state.st_uid, state.st_gid)
    os.fchmod(target, state.st_mode & 0o7777)
    _copy_xattrs(source, target)
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))


def _copy_xattrs(source: int, target: int) -> None:
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return
        raise
    for name in names:
        os.setxattr(target, name, os.getxattr(source, name))
