"""Requests about an inode: its attributes, extended ones, where a link leads, the file system."""

from __future__ import annotations

import errno
import os

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.replies import attributes
from plugrun_storage_fuse.server.union import Union

_NS = 1_000_000_000


def getattr_(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """GETATTR."""
    node = union.node(id)
    return attributes(node, union.state(node))


def setattr_(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """SETATTR."""
    from plugrun_storage_fuse.server.changing import Change, change

    node = union.node(id)
    (valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, new_uid, new_gid, _) = (
        wire.SETATTR_IN.unpack_from(body)
    )
    what = Change(valid)
    what.size, what.mode, what.uid, what.gid = size, mode, new_uid, new_gid
    what.atime, what.mtime = atime * _NS + atime_ns, mtime * _NS + mtime_ns
    change(union, node, what)
    return attributes(node, union.state(node))


def readlink(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """READLINK."""
    from plugrun_storage_fuse.server.copyup import read_link

    return read_link(union, union.node(id))


def statfs(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """STATFS: of the file system that is written to."""
    root = union.root
    it = os.fstatvfs(root.top if root.top >= 0 else root.low[0])
    return wire.STATFS_OUT.pack(
        it.f_blocks, it.f_bfree, it.f_bavail, it.f_files, it.f_ffree,
        it.f_bsize, it.f_namemax, it.f_frsize, 0,
    )  # fmt: skip


def getxattr(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """GETXATTR."""
    from plugrun_storage_fuse.server.xattrs import get

    room, _ = wire.GETXATTR_IN.unpack_from(body)
    return _sized(get(union, union.node(id), bytes(body[wire.GETXATTR_IN.size : -1])), room)


def listxattr(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """LISTXATTR."""
    from plugrun_storage_fuse.server.xattrs import names

    room, _ = wire.GETXATTR_IN.unpack_from(body)
    return _sized(names(union, union.node(id)), room)


def _sized(value: bytes, room: int) -> bytes:
    """Return a value, or its size to who asks with no room."""
    if not room:
        return wire.GETXATTR_OUT.pack(len(value), 0)
    if len(value) > room:
        raise OSError(errno.ERANGE, "too long")
    return value


def setxattr(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """SETXATTR, in its extended form."""
    size, flags, more, _ = wire.SETXATTR_EXT_IN.unpack_from(body)
    _put(union, id, body[wire.SETXATTR_EXT_IN.size :], size, flags, put_more=more)
    return b""


def setxattr_short(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """SETXATTR of kernels before 5.12."""
    size, flags = wire.SETXATTR_IN.unpack_from(body)
    _put(union, id, body[wire.SETXATTR_IN.size :], size, flags, put_more=0)
    return b""


def _put(union: Union, id: int, rest: memoryview, size: int, flags: int, put_more: int) -> None:
    from plugrun_storage_fuse.server.xattrs import put

    name = bytes(rest[: len(rest) - size - 1])
    value = bytes(rest[len(rest) - size :])
    drop_sgid = bool(put_more & wire.SETXATTR_ACL_KILL_SGID)
    put(union, union.node(id), name, value, flags, drop_sgid)


def removexattr(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """REMOVEXATTR."""
    from plugrun_storage_fuse.server.xattrs import remove

    remove(union, union.node(id), bytes(body[:-1]))
    return b""


def fsyncdir(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """FSYNCDIR: what is only beneath is safe already."""
    folder = union.folder(id)
    if folder.top >= 0:
        os.fsync(folder.top)
    return b""


def ioctl(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """IOCTL: there are none."""
    raise OSError(errno.ENOTTY, "no such ioctl")
