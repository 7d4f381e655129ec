"""Copying a tree by directory descriptors, so that a copy that was killed can be finished later.

A file appears under its name when it is whole, and what is there already stays as it is: doing it
once more adds what is missing. The target may be in use meanwhile, and nothing outside of it is
reached, whatever is put in the way.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.layers.attributes import OVERLAY, copy_attributes
from plugrun.layers.treeread import allow_depth
from plugrun.linux.beneath import open_in_root
from plugrun.linux.contents import copy_content, share_content
from plugrun.linux.specials import copy_special

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# The name of a file that is being copied.
_ASIDE = b".plugrun-copy"


def copy_tree(source: int, target: int) -> None:
    """Copy what is in one folder into another, and give it that folder's attributes.

    Owners, modes, times, extended attributes, symlinks, devices, hardlinks and holes are kept.
    Both are descriptors. Raise OSError, or PlugrunError if an attribute cannot be set.
    """
    allow_depth()
    _Copy(target).run(source)


class _Level:
    """A folder whose entries are being copied; its descriptors are the copy's."""

    __slots__ = ("names", "path", "source", "target")

    def __init__(self, source: int, target: int, path: bytes) -> None:
        self.source = source
        self.target = target
        self.path = path
        self.names = [os.fsencode(name) for name in os.listdir(source)]

    def close(self) -> None:
        os.close(self.source)
        os.close(self.target)


class _Copy:
    def __init__(self, root: int) -> None:
        self._root = root
        # Where a file with several names was put first, by device and inode of its source.
        self._linked: dict[tuple[int, int], bytes] = {}

    def run(self, source: int) -> None:
        """Copy what is in a folder, however deep it is."""
        levels = [_Level(os.dup(source), os.dup(self._root), b"")]
        try:
            _unlink(self._root, _ASIDE)
            while levels:
                level = levels[-1]
                if level.names:
                    below = self._step(level, level.names.pop())
                    if below is not None:
                        levels.append(below)
                    continue
                # Last: what is made in a folder changes its times.
                copy_attributes(level.source, level.target)
                levels.pop().close()
        finally:
            for level in levels:
                level.close()

    def _step(self, level: _Level, name: bytes) -> _Level | None:
        """Copy one entry; return a folder's level, for what is in it."""
        state = os.stat(name, dir_fd=level.source, follow_symlinks=False)
        path = level.path + b"/" + name
        if stat.S_ISDIR(state.st_mode):
            return _subfolder(level, name, path)
        if not self._link(state, level.target, name, path):
            _entry(level.source, level.target, name, state)
        return None

    def _link(self, state: os.stat_result, target: int, name: bytes, path: bytes) -> bool:
        """Link a name to the file that was copied under another; False if it is the first."""
        if state.st_nlink == 1:
            return False
        first = self._linked.setdefault((state.st_dev, state.st_ino), path)
        if first == path:
            return False
        try:
            fd = open_in_root(self._root, first, os.O_PATH | os.O_NOFOLLOW)
        except OSError:
            # It was taken away, or put behind something else.
            return False
        try:
            # By descriptor: a path could be led elsewhere meanwhile.
            os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=target, follow_symlinks=True)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
                raise
            return False
        finally:
            os.close(fd)
        return True


def _subfolder(level: _Level, name: bytes, path: bytes) -> _Level | None:
    """Make a folder if it is not there; None if somebody has put something else there."""
    try:
        os.mkdir(name, 0o700, dir_fd=level.target)
    except FileExistsError:
        pass
    inner = os.open(name, _FOLDER, dir_fd=level.source)
    try:
        made = os.open(name, _FOLDER, dir_fd=level.target)
    except OSError as error:
        os.close(inner)
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    _unlink(made, _ASIDE)
    return _Level(inner, made, path)


def _entry(source: int, target: int, name: bytes, state: os.stat_result) -> None:
    """Copy one file that is no folder."""
    if _is_there(target, name):
        return
    if stat.S_ISREG(state.st_mode):
        _file(source, target, name)
    else:
        copy_special(source, name, state, target, _ASIDE, skip=(OVERLAY,))
        _put(target, name)


def _file(source: int, target: int, name: bytes) -> None:
    read = os.open(name, _READ, dir_fd=source)
    try:
        made = os.open(_ASIDE, _NEW, 0o600, dir_fd=target)
        try:
            state = os.fstat(read)
            if not share_content(read, made):
                copy_content(read, made, state)
            copy_attributes(read, made)
        finally:
            os.close(made)
    finally:
        os.close(read)
    _put(target, name)


def _put(target: int, name: bytes) -> None:
    """Give what is whole its name, unless somebody has taken that meanwhile."""
    try:
        os.link(_ASIDE, name, src_dir_fd=target, dst_dir_fd=target, follow_symlinks=False)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP):
            raise
        # A file system without hardlinks.
        os.rename(_ASIDE, name, src_dir_fd=target, dst_dir_fd=target)
        return
    os.unlink(_ASIDE, dir_fd=target)


def _is_there(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(folder: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
