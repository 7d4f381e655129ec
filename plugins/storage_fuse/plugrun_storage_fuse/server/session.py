"""The conversation with the kernel: what both can do, then one request after the other.

One thread: of several, Python would run one at a time, and the kernel asks little, since names,
attributes, listings, pages and links it was told once it keeps.
"""

from __future__ import annotations

import errno
import os
import sys

from plugrun_storage_fuse.server import file_requests, name_requests, node_requests, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun_storage_fuse.server.union import Union

    Handler = Callable[[Union, int, memoryview, int, int], "bytes | memoryview | None"]

MAX_WRITE = 1 << 20
_HEADER = wire.IN_HEADER.size
_PASSING = (errno.EINTR, errno.EAGAIN, errno.ENOENT)
# The second of them where the mount went while read(2) was handing out a request.
_ENDED = (errno.ENODEV, errno.ECONNABORTED)
_WANTED = (
    wire.ASYNC_READ
    | wire.ATOMIC_O_TRUNC
    | wire.BIG_WRITES
    | wire.DONT_MASK
    | wire.DO_READDIRPLUS
    | wire.READDIRPLUS_AUTO
    | wire.ASYNC_DIO
    | wire.PARALLEL_DIROPS
    | wire.POSIX_ACL
    | wire.MAX_PAGES
    | wire.CACHE_SYMLINKS
    | wire.NO_OPENDIR_SUPPORT
    | wire.HANDLE_KILLPRIV_V2
    | wire.SETXATTR_EXT
    | wire.INIT_EXT
    | wire.PASSTHROUGH
    | wire.ALLOW_IDMAP
)

# What is not here is refused with ENOSYS, and then asked for no more: FLUSH, OPENDIR, ACCESS,
# STATX and so on, each of which the kernel can do without.
_HANDLERS: dict[int, Handler] = {
    wire.LOOKUP: name_requests.lookup,
    wire.FORGET: name_requests.forget,
    wire.GETATTR: node_requests.getattr_,
    wire.SETATTR: node_requests.setattr_,
    wire.READLINK: node_requests.readlink,
    wire.SYMLINK: name_requests.symlink,
    wire.MKNOD: name_requests.mknod,
    wire.MKDIR: name_requests.mkdir,
    wire.UNLINK: name_requests.unlink,
    wire.RMDIR: name_requests.rmdir,
    wire.RENAME: name_requests.rename,
    wire.LINK: name_requests.link,
    wire.OPEN: file_requests.open_,
    wire.READ: file_requests.read,
    wire.WRITE: file_requests.write,
    wire.STATFS: node_requests.statfs,
    wire.RELEASE: file_requests.release,
    wire.FSYNC: file_requests.fsync,
    wire.SETXATTR: node_requests.setxattr,
    wire.GETXATTR: node_requests.getxattr,
    wire.LISTXATTR: node_requests.listxattr,
    wire.REMOVEXATTR: node_requests.removexattr,
    wire.READDIR: name_requests.readdir,
    wire.FSYNCDIR: node_requests.fsyncdir,
    wire.CREATE: name_requests.create,
    wire.IOCTL: node_requests.ioctl,
    wire.BATCH_FORGET: name_requests.batch_forget,
    wire.FALLOCATE: file_requests.fallocate,
    wire.READDIRPLUS: name_requests.readdirplus,
    wire.RENAME2: name_requests.rename2,
    wire.LSEEK: file_requests.lseek,
    wire.COPY_FILE_RANGE: file_requests.copy_file_range,
    wire.TMPFILE: name_requests.tmpfile,
}


class Session:
    """One mount's conversation over ``device``."""

    def __init__(self, union: Union, device: int, without: int = 0) -> None:
        self._union = union
        self._device = device
        self._wanted = _WANTED & ~without
        self._handlers = {**_HANDLERS, wire.INIT: self._init, wire.INTERRUPT: _ignore}
        self._told = False
        union.device = device
        union.buffer = memoryview(bytearray(MAX_WRITE))

    def _init(self, union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
        major, minor, readahead, flags, high = wire.INIT_IN.unpack_from(bytes(body) + bytes(4))
        if major != wire.MAJOR:
            # The kernel speaks a newer one as well, and asks again.
            return wire.INIT_OUT.pack(wire.MAJOR, wire.MINOR, *[0] * 10)
        if minor < wire.OLDEST_MINOR:
            raise OSError(errno.EPROTO, f"FUSE 7.{minor}")
        offered = flags | (high << 32 if flags & wire.INIT_EXT else 0)
        agreed = offered & self._wanted
        union.passthrough = bool(agreed & wire.PASSTHROUGH)
        if not agreed & wire.SETXATTR_EXT:
            self._handlers[wire.SETXATTR] = node_requests.setxattr_short
        ahead = max(readahead, MAX_WRITE)
        return wire.INIT_OUT.pack(
            wire.MAJOR, min(minor, wire.MINOR), ahead, agreed & 0xFFFFFFFF, 64, 48,
            MAX_WRITE, 1, MAX_WRITE // 4096, 0, agreed >> 32, int(union.passthrough), 0,
        )  # fmt: skip

    def serve(self) -> None:
        """Answer until the last mount has gone."""
        buffer = bytearray(MAX_WRITE + 4096)
        view = memoryview(buffer)
        buffers = [buffer]
        union, device = self._union, self._device
        spare = union.layers.spare
        unpack, reply = wire.IN_HEADER.unpack_from, self._reply
        while True:
            try:
                length = os.readv(device, buffers)
            except OSError as error:
                if error.errno in _ENDED:
                    return
                if error.errno in _PASSING:
                    continue
                raise
            if length < _HEADER:
                raise OSError(errno.EPROTO, "descriptor 0 is no connection of FUSE")
            _, opcode, unique, id, uid, gid, _, _, _ = unpack(buffer)
            reply(opcode, unique, id, view[_HEADER:length], uid, gid)
            spare()

    def _reply(
        self, opcode: int, unique: int, id: int, body: memoryview, uid: int, gid: int
    ) -> None:
        handler = self._handlers.get(opcode)
        try:
            if handler is None:
                raise OSError(errno.ENOSYS, "no such request")
            made = handler(self._union, id, body, uid, gid)
        except OSError as error:
            self._send(wire.OUT_HEADER.pack(16, -(error.errno or errno.EIO), unique))
        except Exception:  # noqa: BLE001 - one request fails, not the mount
            self._tell()
            self._send(wire.OUT_HEADER.pack(16, -errno.EIO, unique))
        else:
            if made is not None:
                header = wire.OUT_HEADER.pack(16 + len(made), 0, unique)
                self._send(header, made)

    def _send(self, *parts: bytes | memoryview) -> None:
        try:
            os.writev(self._device, parts)
        except OSError as error:
            # The request was given up, or the mount has gone: read(2) tells.
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def _tell(self) -> None:
        """Write down the first unexpected error; the same again would fill the disk."""
        if not self._told:
            self._told = True
            sys.excepthook(*sys.exc_info())


def _ignore(union: Union, id: int, body: memoryview, uid: int, gid: int) -> None:
    """INTERRUPT: a request is done before the next one is read."""
