"""What each act of a list does: with names, and with descriptors kept open."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import zlib
from collections.abc import Callable
from typing import Any

from plugrun.linux.libc import LIBC, check
from plugrun.testing.storage.acts import Hand, attempt, told

_AT_FDCWD = -100
_DEVICES = {"fifo": (stat.S_IFIFO, 0, 0), "socket": (stat.S_IFSOCK, 0, 0)}
# A block device of a number that no driver has (60 is for experiments): to open it fails at once.
_DEVICES |= {"char": (stat.S_IFCHR, 1, 3), "block": (stat.S_IFBLK, 60, 200)}
_CROWDED = "n" * 120
_DENTS = 512  # bytes asked of getdents64(2) at once: a few entries


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """Pack an ACL as setxattr(2) takes it (include/uapi/linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


_NOBODY = 0xFFFFFFFF
_ACLS = [
    _acl((1, 7, _NOBODY), (2, 5, 1000), (4, 4, _NOBODY), (16, 7, _NOBODY), (32, 0, _NOBODY)),
    _acl((1, 6, _NOBODY), (4, 0, _NOBODY), (8, 6, 7), (16, 4, _NOBODY), (32, 4, _NOBODY)),
]
# Each name's two values.
XATTRS = {
    "user.one": [b"\0\1\xff", b""],
    "user.long": [b"x" * 900, bytes(range(256))],
    "trusted.kept": [b"t", b"\n" * 40],
    # VFS_CAP_REVISION_2 with CAP_NET_BIND_SERVICE: lost when the file is written or given away.
    "security.capability": [struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0), b"bad"],
    "system.posix_acl_access": _ACLS,
    "system.posix_acl_default": _ACLS,
}


def payload(letter: str, size: int) -> bytes:
    """Return bytes in which a misplaced piece shows."""
    return b"".join(b"%s%07d" % (letter.encode(), n) for n in range(size // 8 + 1))[:size]


def digest(data: bytes) -> tuple[int, bytes | int]:
    """Return bytes as they are compared: short ones themselves."""
    return len(data), data if len(data) < 40 else zlib.crc32(data)


def _open(hand: Hand, slot: int, path: str, flags: int, mode: int) -> None:
    hand.hold(slot, os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode))


def _read_at(hand: Hand, slot: int, size: int, offset: int) -> Any:
    return digest(os.pread(hand.fd(slot), size, offset))


def _read_path(_: Hand, path: str) -> Any:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        return digest(file.read(1 << 22))


def _write_path(_: Hand, path: str, letter: str, size: int, flags: int) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, 0o644)
    try:
        return os.write(fd, payload(letter, size))
    finally:
        os.close(fd)


def _write_mapped(hand: Hand, slot: int, letter: str, size: int, offset: int) -> Any:
    """Write through a shared mapping, as far as the file reaches."""
    fd = hand.fd(slot)
    end = os.fstat(fd).st_size
    if not end:
        return "nothing to map"
    with mmap.mmap(fd, end) as mapped:
        data = payload(letter, size)[: max(end - offset, 0)]
        mapped[offset : offset + len(data)] = data
        return digest(mapped[:])


def _fallocate(hand: Hand, slot: int, mode: int, offset: int, size: int) -> None:
    wide = ctypes.c_long
    check(LIBC.fallocate(hand.fd(slot), mode, wide(offset), wide(size)))


def _copy_range(hand: Hand, source: int, target: int, size: int) -> int:
    return os.copy_file_range(hand.fd(source), hand.fd(target), size, 0, 0)


def _rename(_: Hand, path: str, other: str, flags: int) -> None:
    names = os.fsencode(path), os.fsencode(other)
    check(LIBC.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], flags))


def _mknod(_: Hand, path: str, kind: str, mode: int) -> None:
    form, major, minor = _DEVICES[kind]
    os.mknod(path, form | mode, os.makedev(major, minor))


def _utime(_: Hand, path: str, time_ns: int, follow: bool) -> None:
    os.utime(path, ns=(time_ns, time_ns), follow_symlinks=follow)


def _set_xattr(_: Hand, path: str, name: str, value: int, flags: int) -> None:
    os.setxattr(path, name, XATTRS[name][value], flags, follow_symlinks=False)


def _remove_xattr(_: Hand, path: str, name: str) -> None:
    try:
        os.removexattr(path, name, follow_symlinks=False)
    except OSError as error:
        # File systems differ on whether an ACL that says no more than the mode is one.
        if error.errno != errno.ENODATA or not name.startswith("system."):
            raise


def _xattrs(_: Hand, path: str) -> Any:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]


def _listdir(_: Hand, path: str | int) -> Any:
    with os.scandir(path) as entries:
        return sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in entries)


def _crowd(_: Hand, path: str, count: int) -> None:
    """Fill a folder with more names than one reading of it returns."""
    for number in range(count):
        os.close(os.open(f"{path}/{number}{_CROWDED}", os.O_WRONLY | os.O_CREAT, 0o600))


def _thin_out(_: Hand, path: str, step: int) -> Any:
    """Remove some names while the folder is read: each that stays is to come exactly once."""
    seen = []
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while names := _dents(fd):
            for name in names:
                gone = None
                if zlib.crc32(name) % step == 0:
                    gone = attempt(lambda: os.unlink(name, dir_fd=fd))  # noqa: B023
                seen.append((name, gone))
    finally:
        os.close(fd)
    return sorted(seen)


def _dents(fd: int) -> list[bytes]:
    """Read a few of a folder's names by getdents64(2)."""
    buffer = ctypes.create_string_buffer(_DENTS)
    size = check(LIBC.getdents64(fd, buffer, _DENTS))
    names: list[bytes] = []
    at = 0
    while at < size:
        length = struct.unpack_from("<H", buffer, at + 16)[0]
        names.append(buffer.raw[at + 19 : at + length].split(b"\0")[0])
        at += length
    return [name for name in names if name not in (b".", b"..")]


def _is_same(hand: Hand, slot: int, path: str) -> bool:
    return os.path.samestat(os.fstat(hand.fd(slot)), os.lstat(path))


def _create_in(hand: Hand, slot: int, name: str) -> None:
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=hand.fd(slot)))


def _seek_write(hand: Hand, slot: int, letter: str, size: int) -> int:
    return os.write(hand.fd(slot), payload(letter, size))


def _seek_end(hand: Hand, slot: int) -> int | None:
    fd = hand.fd(slot)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        return None  # a folder's positions are each file system's own
    return os.lseek(fd, 0, os.SEEK_END)


ACTIONS: dict[str, Callable[..., Any]] = {
    "as_user": lambda hand, user: hand.act_as(user),
    # With names.
    "stat": lambda _, path: told(os.stat(path)),
    "lstat": lambda _, path: told(os.lstat(path)),
    "read": _read_path,
    "write": _write_path,
    "truncate": lambda _, path, size: os.truncate(path, size),
    "unlink": lambda _, path: os.unlink(path),
    "mkdir": lambda _, path, mode: os.mkdir(path, mode),
    "rmdir": lambda _, path: os.rmdir(path),
    "rename": _rename,
    "link": lambda _, path, other: os.link(path, other, follow_symlinks=False),
    "symlink": lambda _, target, path: os.symlink(target, path),
    "readlink": lambda _, path: os.readlink(path),
    "mknod": _mknod,
    "chmod": lambda _, path, mode: os.chmod(path, mode),
    "chown": lambda _, path, uid, gid: os.chown(path, uid, gid, follow_symlinks=False),
    "utime": _utime,
    "access": lambda _, path, mode: os.access(path, mode, effective_ids=True),
    "setxattr": _set_xattr,
    "removexattr": _remove_xattr,
    "xattrs": _xattrs,
    "listdir": _listdir,
    "crowd": _crowd,
    "thin_out": _thin_out,
    # With descriptors that were kept open.
    "open": _open,
    "close": lambda hand, slot: hand.let_go(slot),
    "pread": _read_at,
    "pwrite": lambda hand, slot, letter, size, at: os.pwrite(
        hand.fd(slot), payload(letter, size), at
    ),
    "write_on": _seek_write,
    "mmap_write": _write_mapped,
    "seek_end": _seek_end,
    "ftruncate": lambda hand, slot, size: os.ftruncate(hand.fd(slot), size),
    "fallocate": _fallocate,
    "copy_range": _copy_range,
    "fsync": lambda hand, slot: os.fsync(hand.fd(slot)),
    "fstat": lambda hand, slot: told(os.fstat(hand.fd(slot))),
    "fchmod": lambda hand, slot, mode: os.fchmod(hand.fd(slot), mode),
    "fchown": lambda hand, slot, uid, gid: os.fchown(hand.fd(slot), uid, gid),
    "futime": lambda hand, slot, ns: os.utime(hand.fd(slot), ns=(ns, ns)),
    "fsetxattr": lambda hand, slot, name, value: os.setxattr(
        hand.fd(slot), name, XATTRS[name][value]
    ),
    "flock": lambda hand, slot, kind: fcntl.flock(hand.fd(slot), kind | fcntl.LOCK_NB),
    "flistdir": lambda hand, slot: _listdir(hand, hand.fd(slot)),
    "create_in": _create_in,
    "is_same": _is_same,
    "is_as_opened": lambda hand, slot: hand.is_as_opened(slot),
}
