"""Requests about open files."""

from __future__ import annotations

import errno
import os

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.changing import clear_suid
from plugrun_storage_fuse.server.files import Handle, allocate, descriptor, open_file
from plugrun_storage_fuse.server.files import release as release_file
from plugrun_storage_fuse.server.union import Union

_WRITE = wire.WRITE_IN.size


def open_(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """OPEN."""
    flags, more = wire.OPEN_IN.unpack_from(body)
    drop_suid = bool(more & wire.OPEN_KILL_SUIDGID)
    opened = open_file(union, union.node(id), flags, drop_suid, uid)
    return wire.OPEN_OUT.pack(*opened)


def release(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """RELEASE."""
    release_file(union, wire.RELEASE_IN.unpack_from(body)[0])
    return b""


def _handle(union: Union, number: int) -> Handle:
    handle = union.files.get(number)
    if handle is None:
        raise OSError(errno.EBADF, "no such open file")
    return handle


def read(union: Union, id: int, body: memoryview, uid: int, gid: int) -> memoryview:
    """READ, into a buffer that is used again for the next."""
    number, offset, size, *_ = wire.READ_IN.unpack_from(body)
    handle = _handle(union, number)
    fd = handle.fd
    if fd < 0:
        fd = descriptor(union, handle)
    return union.buffer[: os.preadv(fd, [union.buffer[:size]], offset)]


def write(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """WRITE."""
    number, offset, size, flags, *_ = wire.WRITE_IN.unpack_from(body)
    handle = _handle(union, number)
    fd = handle.fd
    if fd < 0:
        fd = descriptor(union, handle)
    if flags & wire.WRITE_KILL_SUIDGID:
        clear_suid(fd)
    return wire.WRITE_OUT.pack(os.pwrite(fd, body[_WRITE : _WRITE + size], offset), 0)


def fsync(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """FSYNC; what is only beneath is safe already."""
    number, flags, _ = wire.FSYNC_IN.unpack_from(body)
    handle = _handle(union, number)
    if handle.node.up:
        fd = descriptor(union, handle)
        if flags & wire.FSYNC_FDATASYNC:
            os.fdatasync(fd)
        else:
            os.fsync(fd)
    return b""


def fallocate(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """FALLOCATE."""
    number, offset, length, mode, _ = wire.FALLOCATE_IN.unpack_from(body)
    allocate(union, _handle(union, number), mode, offset, length, uid)
    return b""


def lseek(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """LSEEK: SEEK_DATA and SEEK_HOLE."""
    number, offset, whence, _ = wire.LSEEK_IN.unpack_from(body)
    fd = descriptor(union, _handle(union, number))
    return wire.LSEEK_OUT.pack(os.lseek(fd, offset, whence))


def copy_file_range(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """COPY_FILE_RANGE."""
    number, at, _, to, at_to, length, _ = wire.COPY_IN.unpack_from(body)
    source = descriptor(union, _handle(union, number))
    target = descriptor(union, _handle(union, to))
    if uid:
        clear_suid(target)
    done = os.copy_file_range(source, target, min(length, 1 << 30), at, at_to)
    return wire.WRITE_OUT.pack(done, 0)
