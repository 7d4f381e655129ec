"""chmod, chown, truncate and utimens: SETATTR."""

from __future__ import annotations

import errno
import os
import stat
import time

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.copyup import copy_up
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import Union

_TIMES = wire.FATTR_ATIME | wire.FATTR_MTIME
_NOW = wire.FATTR_ATIME_NOW | wire.FATTR_MTIME_NOW
_CLOCK = 5  # CLOCK_REALTIME_COARSE, by which the kernel stamps files


class Change:
    """What to set; ``valid`` says which of the fields count. Times are in nanoseconds."""

    __slots__ = ("atime", "gid", "mode", "mtime", "size", "uid", "valid")

    def __init__(self, valid: int) -> None:
        self.valid = valid
        self.size = self.mode = self.uid = self.gid = self.atime = self.mtime = 0


def change(union: Union, node: Node, what: Change) -> None:
    """Set attributes of an inode; owner first, since that clears setuid and setgid."""
    valid = what.valid
    copy_up(union, node, what.size if valid & wire.FATTR_SIZE else -1)
    if valid & wire.FATTR_SIZE:
        truncate(union, node, what.size, bool(valid & wire.FATTR_KILL_SUIDGID))
    path, at = _target(union, node)
    # Nothing to set comes of chown(2) of neither, but of fallocate(2) as well, which keeps setuid.
    if valid & (wire.FATTR_UID | wire.FATTR_GID):
        uid = what.uid if valid & wire.FATTR_UID else -1
        gid = what.gid if valid & wire.FATTR_GID else -1
        os.chown(path, uid, gid, dir_fd=at, follow_symlinks=at is None)
    if valid & wire.FATTR_MODE:
        if node.kind == stat.S_IFLNK:
            raise OSError(errno.EOPNOTSUPP, "a symbolic link has no mode")
        os.chmod(path, what.mode & 0o7777, dir_fd=at)
    if valid & _TIMES:
        _set_times(union, node, what)
    if isinstance(node, Folder):
        node.inherits = None


def truncate(union: Union, node: Node, size: int, drop_suid: bool) -> None:
    """Set a file's length."""
    if node.kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, "no regular file")
    fd = union.open(node, os.O_WRONLY)
    try:
        if drop_suid:
            clear_suid(fd)
        os.truncate(fd, size)
    finally:
        os.close(fd)


def clear_suid(fd: int) -> None:
    """Take setuid away, and setgid from what its group may execute, as write(2) does."""
    mode = os.stat(fd).st_mode
    drop = stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0)
    if mode & drop:
        os.chmod(fd, mode & 0o7777 & ~drop)


def _set_times(union: Union, node: Node, what: Change) -> None:
    path, at = _target(union, node)
    valid = what.valid
    if valid & _TIMES == _TIMES and valid & _NOW == _NOW:
        os.utime(path, dir_fd=at, follow_symlinks=at is None)
        return
    state = union.state(node)
    now = time.clock_gettime_ns(_CLOCK)
    atime, mtime = state.st_atime_ns, state.st_mtime_ns
    if valid & wire.FATTR_ATIME:
        atime = now if valid & wire.FATTR_ATIME_NOW else what.atime
    if valid & wire.FATTR_MTIME:
        mtime = now if valid & wire.FATTR_MTIME_NOW else what.mtime
    os.utime(path, ns=(atime, mtime), dir_fd=at, follow_symlinks=at is None)


def _target(union: Union, node: Node) -> tuple[bytes, int | None]:
    """Return a path and the folder it is in; without a folder, it is followed to the inode."""
    if node.fd >= 0 or isinstance(node, Folder):
        return union.path(node)[0], None
    return node.name, union.holder(node)
