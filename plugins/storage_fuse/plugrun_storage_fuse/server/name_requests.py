"""Requests about names: look-up, listing, making, removing, renaming.

Every handler takes the union, the node that the request is about, its body, and who asks; it
returns the reply's body, None for none, or raises OSError.
"""

from __future__ import annotations

import os

from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.listing import places
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.replies import NEGATIVE, entry
from plugrun_storage_fuse.server.union import Union

_ENTRY = wire.ENTRY_OUT.size
_pack_name = wire.DIRENT.pack


def lookup(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """LOOKUP."""
    found = union.look(union.folder(id), bytes(body[:-1]))
    if found is None:
        return NEGATIVE
    node, state = found
    node.lookups += 1
    return entry(node, state)


def forget(union: Union, id: int, body: memoryview, uid: int, gid: int) -> None:
    """FORGET."""
    _forget(union, id, wire.FORGET_IN.unpack_from(body)[0])


def batch_forget(union: Union, id: int, body: memoryview, uid: int, gid: int) -> None:
    """BATCH_FORGET."""
    for one, count in wire.FORGET_ONE.iter_unpack(body[wire.BATCH_FORGET_IN.size :]):
        _forget(union, one, count)


def _forget(union: Union, id: int, count: int) -> None:
    node = union.table.by_id.get(id)
    if node is not None:
        node.lookups -= count
        if node.lookups <= 0:
            node.lookups = 0
            union.table.release(node)


def readdir(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """READDIR."""
    _, offset, room, *_ = wire.READ_IN.unpack_from(body)
    folder = union.folder(id)
    return b"".join(_dots(folder, offset) + _names(union, folder, offset, room))


def readdirplus(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """READDIRPLUS: each name with what LOOKUP would tell."""
    _, offset, room, *_ = wire.READ_IN.unpack_from(body)
    folder = union.folder(id)
    dots = [NEGATIVE + dot for dot in _dots(folder, offset)]
    return b"".join(dots + _entries(union, folder, offset, room))


def _dots(folder: Folder, offset: int) -> list[bytes]:
    """Return the two names that are no entries; they have the places before the first."""
    if offset or folder.removed:
        return []
    parent = folder.parent or folder
    return [_dirent(folder.ino, 1, b".", 4), _dirent(parent.ino, 2, b"..", 4)]


def _dirent(ino: int, after: int, name: bytes, kind: int) -> bytes:
    return _pack_name(ino, after, len(name), kind) + name + bytes(-len(name) % 8)


def _names(union: Union, folder: Folder, offset: int, room: int) -> list[bytes]:
    made = []
    listing = places(union, folder, offset)
    room -= 64
    for place in range(max(offset - 2, 0), len(listing)):
        name = listing[place]
        found = None if name is None else union.layers.find(folder, name)
        if name is None or found is None:
            continue
        room -= 24 + len(name) + 7 & ~7
        if room < 0:
            break
        real = union.key(found[0])
        node = union.table.by_real.get(real)
        ino = node.ino if node else union.number(folder, name, real) if found[1] else real
        made.append(_dirent(ino, place + 3, name, found[0].st_mode >> 12))
    return made


def _entries(union: Union, folder: Folder, offset: int, room: int) -> list[bytes]:
    made = []
    listing = places(union, folder, offset)
    if not offset:
        room -= 2 * (_ENTRY + 32)
    for place in range(max(offset - 2, 0), len(listing)):
        name = listing[place]
        if name is None:
            continue
        size = len(name)
        room -= _ENTRY + (24 + size + 7 & ~7)
        if room < 0:
            break
        found = union.look(folder, name)
        if found is None:
            continue
        node, state = found
        node.lookups += 1
        made.append(entry(node, state))
        made.append(_pack_name(node.ino, place + 3, size, state.st_mode >> 12))
        made.append(name + bytes(-size % 8))
    return made


def _made(union: Union, folder: Folder, name: bytes) -> tuple[Node, bytes]:
    found = union.look(folder, name)
    if found is None:
        raise FileNotFoundError(2, "gone at once")
    found[0].lookups += 1
    return found[0], entry(*found)


def create(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """CREATE: make and open; what is there already is opened, unless O_EXCL forbids it."""
    from plugrun_storage_fuse.server.files import Handle, open_file, register
    from plugrun_storage_fuse.server.making import Owner, make_file

    flags, mode, umask, more = wire.CREATE_IN.unpack_from(body)
    folder, name = union.folder(id), bytes(body[wire.CREATE_IN.size : -1])
    access = flags & (os.O_ACCMODE | os.O_SYNC | os.O_DSYNC)
    try:
        fd = make_file(union, folder, name, mode & 0o7777, access, Owner(uid, gid, umask))
    except FileExistsError:
        if flags & os.O_EXCL:
            raise
        node, reply = _made(union, folder, name)
        opened = open_file(union, node, flags, bool(more & wire.OPEN_KILL_SUIDGID), uid)
    else:
        state = os.stat(fd)
        node = union.adopt(folder, name, (state, True, 0))
        node.lookups += 1
        reply = entry(node, state)
        opened = register(union, Handle(node, flags, fd), bool(mode & 0o6000), uid)
    return reply + wire.OPEN_OUT.pack(*opened)


def tmpfile(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """TMPFILE: like CREATE, without a name."""
    from plugrun_storage_fuse.server.files import Handle, register
    from plugrun_storage_fuse.server.making import Owner, make_nameless

    flags, mode, umask, _ = wire.CREATE_IN.unpack_from(body)
    access = flags & os.O_ACCMODE | flags & os.O_EXCL
    fd = make_nameless(union, union.folder(id), mode & 0o7777, access, Owner(uid, gid, umask))
    state = os.stat(fd)
    real = union.key(state)
    node = union.table.add(real, real, state.st_mode)
    node.up = True
    node.lookups = 1
    node.fd = os.open(b"/proc/self/fd/%d" % fd, os.O_PATH | os.O_CLOEXEC)
    opened = register(union, Handle(node, flags, fd), bool(mode & 0o6000), uid)
    return entry(node, state) + wire.OPEN_OUT.pack(*opened)


def mknod(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """MKNOD."""
    from plugrun_storage_fuse.server.making import Owner, make_node

    mode, device, umask, _ = wire.MKNOD_IN.unpack_from(body)
    folder, name = union.folder(id), bytes(body[wire.MKNOD_IN.size : -1])
    make_node(union, folder, name, mode, wire.decode_dev(device), Owner(uid, gid, umask))
    return _made(union, folder, name)[1]


def mkdir(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """MKDIR."""
    from plugrun_storage_fuse.server.making import Owner, make_folder

    mode, umask = wire.MKDIR_IN.unpack_from(body)
    folder, name = union.folder(id), bytes(body[wire.MKDIR_IN.size : -1])
    make_folder(union, folder, name, mode, Owner(uid, gid, umask))
    node = union.need(folder, name)
    # Only an open one knows whether it is merged, and so what its link count is.
    union.folder(node.id)
    return _made(union, folder, name)[1]


def symlink(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """SYMLINK."""
    from plugrun_storage_fuse.server.making import Owner, make_symlink

    name, target, _ = bytes(body).split(b"\0", 2)
    folder = union.folder(id)
    make_symlink(union, folder, name, target, Owner(uid, gid))
    return _made(union, folder, name)[1]


def link(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """LINK."""
    from plugrun_storage_fuse.server.making import make_link

    node = union.node(wire.LINK_IN.unpack_from(body)[0])
    folder, name = union.folder(id), bytes(body[wire.LINK_IN.size : -1])
    make_link(union, folder, name, node)
    return _made(union, folder, name)[1]


def unlink(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """UNLINK."""
    from plugrun_storage_fuse.server.removing import unlink as remove

    remove(union, union.folder(id), bytes(body[:-1]))
    return b""


def rmdir(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """RMDIR."""
    from plugrun_storage_fuse.server.removing import remove_folder

    remove_folder(union, union.folder(id), bytes(body[:-1]))
    return b""


def rename(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """RENAME."""
    return _rename(union, id, wire.RENAME_IN.unpack_from(body)[0], 0, body[wire.RENAME_IN.size :])


def rename2(union: Union, id: int, body: memoryview, uid: int, gid: int) -> bytes:
    """RENAME2."""
    target, flags, _ = wire.RENAME2_IN.unpack_from(body)
    return _rename(union, id, target, flags, body[wire.RENAME2_IN.size :])


def _rename(union: Union, id: int, target: int, flags: int, names: memoryview) -> bytes:
    from plugrun_storage_fuse.server.renaming import rename as move

    old, new, _ = bytes(names).split(b"\0", 2)
    move(union, (union.folder(id), old), (union.folder(target), new), flags)
    return b""
