"""Open files.

A file of the upper layer is handed to the kernel, which then reads and writes it by itself
(passthrough). The kernel wants all files open on one inode to go one way, either that or its page
cache; so while one is open through the cache, as those of lower layers are, all others are too.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.changing import clear_suid
from plugrun_storage_fuse.server.copyup import copy_up
from plugrun_storage_fuse.server.nodes import Node
from plugrun_storage_fuse.server.union import Union

_ACCESS = os.O_ACCMODE
# O_APPEND is the kernel's own matter: it says at which offset to write.
_KEPT = os.O_ACCMODE | os.O_SYNC | os.O_DSYNC


class Handle:
    """An open file. Its descriptor is opened when it is first needed, and again after copy-up."""

    __slots__ = ("direct", "fd", "flags", "node")

    def __init__(self, node: Node, flags: int, fd: int) -> None:
        self.node = node
        self.flags = flags & _KEPT
        self.fd = fd
        self.direct = False

    def close(self) -> None:
        """Close the descriptor, not the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def descriptor(union: Union, handle: Handle) -> int:
    """Return a descriptor for an open file."""
    if handle.fd < 0:
        try:
            handle.fd = union.open(handle.node, handle.flags)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            for other in union.files.values():
                other.close()
            handle.fd = union.open(handle.node, handle.flags)
    return handle.fd


def open_file(
    union: Union, node: Node, flags: int, drop_suid: bool, uid: int
) -> tuple[int, int, int]:  # fmt: skip
    """Open an existing file; return its number, the reply's flags and a backing number."""
    if node.kind != stat.S_IFREG:
        raise OSError(errno.ELOOP if node.kind == stat.S_IFLNK else errno.EISDIR, "no file")
    empty = flags & os.O_TRUNC
    if flags & _ACCESS or empty:
        copy_up(union, node, 0 if empty else -1)
    handle = Handle(node, flags, -1)
    if empty:
        handle.fd = union.open(node, flags & _KEPT | (0 if flags & _ACCESS else os.O_RDWR))
        if drop_suid:
            clear_suid(handle.fd)
        os.truncate(handle.fd, 0)
    suid = node.up and os.stat(descriptor(union, handle)).st_mode & 0o6000
    return register(union, handle, bool(suid), uid)


def register(union: Union, handle: Handle, suid: bool, uid: int) -> tuple[int, int, int]:
    """Give an open file its number, and let the kernel have it where that is possible.

    A file that is setuid or setgid goes through the cache: passthrough does not take that away
    from what is written to.
    """
    node = handle.node
    union.last_file = number = union.last_file + 1
    free = union.passthrough and node.up and not node.cached and not suid
    if node.direct or (free and _hand_over(union, handle, uid)):
        reply = wire.FOPEN_PASSTHROUGH
        handle.direct = True
        node.direct += 1
        if handle.flags & _ACCESS:
            node.fresh = False
        handle.close()
    else:
        reply = wire.FOPEN_KEEP_CACHE if node.fresh else 0
        node.fresh = True
        node.cached += 1
    union.files[number] = handle
    node.handles.append(handle)
    return number, reply, node.backing if handle.direct else 0


def _hand_over(union: Union, handle: Handle, uid: int) -> bool:
    import fcntl

    node = handle.node
    # Only with a buffer that could be written to does ioctl return what the kernel does.
    request = bytearray(wire.BACKING_MAP.pack(descriptor(union, handle), 0, 0))
    try:
        if uid and handle.flags & _ACCESS:
            # The kernel writes with the rights of this moment. Without this one, a file that
            # becomes setuid while it is open is so no longer once its writer has written to it.
            from plugrun_storage_fuse.server.rights import without_fsetid

            node.backing = without_fsetid(
                lambda: fcntl.ioctl(union.device, wire.BACKING_OPEN, request)
            )
        else:
            node.backing = fcntl.ioctl(union.device, wire.BACKING_OPEN, request)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ELOOP, errno.EOPNOTSUPP, errno.ENOTTY):
            union.passthrough = False
        return False
    return True


def release(union: Union, number: int) -> None:
    """Close an open file."""
    handle = union.files.pop(number, None)
    if handle is None:
        return
    node = handle.node
    handle.close()
    node.handles.remove(handle)
    if handle.direct:
        node.direct -= 1
        if not node.direct:
            _take_back(union, node)
    else:
        node.cached -= 1
    if not node.lookups:
        union.table.release(node)


def _take_back(union: Union, node: Node) -> None:
    import fcntl

    backing, node.backing = node.backing, 0
    fcntl.ioctl(union.device, wire.BACKING_CLOSE, wire.BACKING_ID.pack(backing))


def allocate(
    union: Union, handle: Handle, mode: int, offset: int, length: int, uid: int
) -> None:  # fmt: skip
    """fallocate(2). As with a write, only who has CAP_FSETID, which here is root, leaves setuid."""
    from plugrun_storage_fuse.server.system import fallocate

    fd = descriptor(union, handle)
    if uid:
        clear_suid(fd)
    fallocate(fd, mode, offset, length)
