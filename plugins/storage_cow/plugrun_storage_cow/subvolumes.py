"""btrfs subvolumes by ioctl(2): made, snapshot, and destroyed with those inside.

Source: include/uapi/linux/btrfs.h, and btrfs-subvolume(8) for what may be done.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from plugrun.api import Conflict, beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SNAP_CREATE_V2 = 0x50009417
_SUBVOL_CREATE_V2 = 0x50009418
_SNAP_DESTROY = 0x5000940F
_TREE_SEARCH = 0xD0009411
_INO_LOOKUP = 0xD0009412
_GETFLAGS = 0x80089419
_SETFLAGS = 0x4008941A

_READ_ONLY = 1 << 1
_ROOT_TREE = 1
_INODE_REF = 12  # an item that names the folder that an inode is in
_ROOT_REF = 156  # an item that names a subvolume inside another
_KEY, _HEAD = 104, 32  # bytes of a search's key, and of what comes before each item
_PIECE = 3000  # bytes of a path opened at once; PATH_MAX is 4096
_ROOT_INODE = 256  # BTRFS_FIRST_FREE_OBJECTID: a subvolume's root folder, and nothing else
_LAST = (1 << 64) - 1

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_INSIDE = beneath.RESOLVE_BENEATH | beneath.RESOLVE_NO_SYMLINKS | beneath.RESOLVE_NO_XDEV


def is_subvolume(path: str) -> bool:
    """Whether a path on btrfs is the root folder of a subvolume; symlinks are none."""
    try:
        state = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_ino == _ROOT_INODE


def make_subvolume(path: str) -> None:
    """Make an empty one; raise OSError."""
    _make(_SUBVOL_CREATE_V2, 0, path)


def snapshot_subvolume(source: str, path: str) -> None:
    """Make one that has everything of another and can be written; raise OSError.

    Subvolumes inside the source are empty folders in it.
    """
    fd = os.open(source, _FOLDER | os.O_CLOEXEC)
    try:
        _make(_SNAP_CREATE_V2, fd, path)
    finally:
        os.close(fd)


def _make(request: int, source: int, path: str) -> None:
    folder, name = os.path.split(path)
    # struct btrfs_ioctl_vol_args_v2
    argument = bytearray(struct.pack("=qQQ32x4040s", source, 0, 0, os.fsencode(name)))
    fd = os.open(folder, _FOLDER | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, request, argument)
    finally:
        os.close(fd)


def destroy_subvolume(path: str) -> None:
    """Destroy one, whatever is in it; one that is gone is no error.

    Subvolumes inside go too: a container may make them. Raise Conflict if the kernel refuses.
    """
    folder, name = os.path.split(path)
    above = os.open(folder, _FOLDER | os.O_CLOEXEC)
    try:
        _destroy(above, os.fsencode(name))
    except FileNotFoundError:
        return
    except OSError as error:
        raise Conflict(
            f"cannot destroy the btrfs subvolume {path}: {error.strerror}",
            hint=f"btrfs subvolume delete {path}, after those inside it",
        ) from error
    finally:
        os.close(above)


def _destroy(folder: int, name: bytes) -> None:
    """Destroy one; what is inside is moved up to it first, so that depth costs nothing."""
    if _is_destroyed(folder, name):
        return
    top = beneath.openat2(folder, name, _FOLDER, resolve=_INSIDE)
    try:
        pending = _lift(top, top)
        while pending:
            inner = pending.pop()
            if _is_destroyed(top, inner):
                continue
            fd = beneath.openat2(top, inner, _FOLDER, resolve=_INSIDE)
            try:
                pending += [*_lift(fd, top), inner]
            finally:
                os.close(fd)
    finally:
        os.close(top)
    if not _is_destroyed(folder, name):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))


def _is_destroyed(folder: int, name: bytes) -> bool:
    """Destroy one; return False if there are others inside."""
    argument = bytearray(struct.pack("=q4088s", 0, name))  # struct btrfs_ioctl_vol_args
    try:
        fcntl.ioctl(folder, _SNAP_DESTROY, argument)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return False
    return True


def _lift(fd: int, top: int) -> list[bytes]:
    """Move the subvolumes right inside one into the root folder of ``top``; return their names."""
    _allow_writing(fd)
    own = _id_of(fd)
    names = []
    for place, name in list(_inside(fd, own)):
        folder = _folder(fd, own, place)
        try:
            inner = beneath.openat2(folder, name, _FOLDER, resolve=_INSIDE)
            try:
                _allow_writing(inner)
            finally:
                os.close(inner)
            new = b".plugrun-" + os.urandom(8).hex().encode()
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
            names.append(new)
        finally:
            os.close(folder)
    return names


def _allow_writing(fd: int) -> None:
    """Nothing can be taken out of a read-only one."""
    flags = bytearray(8)
    fcntl.ioctl(fd, _GETFLAGS, flags)
    (value,) = struct.unpack("=Q", flags)
    if value & _READ_ONLY:
        fcntl.ioctl(fd, _SETFLAGS, struct.pack("=Q", value & ~_READ_ONLY))


def _id_of(fd: int) -> int:
    argument = bytearray(struct.pack("=QQ4080s", 0, _ROOT_INODE, b""))
    fcntl.ioctl(fd, _INO_LOOKUP, argument)
    (found,) = struct.unpack_from("=Q", argument)
    return int(found)


def _folder(fd: int, tree: int, inode: int) -> int:
    """Open a folder of a subvolume by its number; its path may be longer than PATH_MAX."""
    names = []
    while inode != _ROOT_INODE:
        inode, name = _reference(fd, tree, inode)
        names.append(name)
    found = os.dup(fd)
    while names:
        piece = names.pop()
        while names and len(piece) + len(names[-1]) < _PIECE:
            piece += b"/" + names.pop()
        try:
            deeper = beneath.openat2(found, piece, _FOLDER, resolve=_INSIDE)
        finally:
            os.close(found)
        found = deeper
    return found


def _reference(fd: int, tree: int, inode: int) -> tuple[int, bytes]:
    """Return the folder that a folder is in, and its name there."""
    buffer = _search(fd, (tree, inode, inode, 0, _LAST, 0, _LAST), _INODE_REF, 1)
    (count,) = struct.unpack_from("=I", buffer, 64)
    if not count:
        raise FileNotFoundError(errno.ENOENT, f"no folder has the number {inode}")
    (parent,) = struct.unpack_from("=Q", buffer, _KEY + 16)
    (size,) = struct.unpack_from("=H", buffer, _KEY + _HEAD + 8)
    start = _KEY + _HEAD + 10
    return int(parent), bytes(buffer[start : start + size])


def _search(fd: int, bounds: tuple[int, ...], kind: int, most: int) -> bytearray:
    """Return what a search for items finds, behind its key: struct btrfs_ioctl_search_args."""
    key = struct.pack("=7Q4I32x", *bounds, kind, kind, most, 0)
    buffer = bytearray(key.ljust(4096, b"\0"))
    fcntl.ioctl(fd, _TREE_SEARCH, buffer)
    return buffer


def _inside(fd: int, tree: int) -> Iterator[tuple[int, bytes]]:
    """Yield the subvolumes right inside one: the inode of the folder each is in, and its name."""
    last = -1
    while True:
        # from the item after the last one on
        bounds = (_ROOT_TREE, tree, tree, last + 1, _LAST, 0, _LAST)
        buffer = _search(fd, bounds, _ROOT_REF, 4096)
        (count,) = struct.unpack_from("=I", buffer, 64)
        if not count:
            return
        position = _KEY
        for _ in range(count):
            _, _, last, _, length = struct.unpack_from("=3Q2I", buffer, position)
            position += _HEAD
            place, _, size = struct.unpack_from("=QQH", buffer, position)
            yield place, bytes(buffer[position + 18 : position + 18 + size])
            position += length
