"""openat2(2): open a path that cannot leave a root, whatever symlinks lie on the way."""

from __future__ import annotations

import ctypes
import errno
import os

from plugrun.linux.libc import SYS_OPENAT2, syscall

# include/uapi/linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_RETRIES = 128


class _How(ctypes.Structure):
    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def openat2(dir_fd: int, path: str | bytes, flags: int, *, resolve: int, mode: int = 0) -> int:
    """Open ``path`` from ``dir_fd`` under openat2's RESOLVE_ rules; close-on-exec.

    The kernel answers EAGAIN when a rename races with ``..``; that is tried again.
    """
    how = _How(flags | os.O_CLOEXEC, mode, resolve)
    raw = os.fsencode(path)
    for attempt in range(_RETRIES):
        try:
            return syscall(
                SYS_OPENAT2, dir_fd, raw, ctypes.byref(how), ctypes.sizeof(how), subject=raw
            )
        except OSError as error:
            if error.errno != errno.EAGAIN or attempt == _RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def open_in_root(root_fd: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open ``path`` as a process whose root directory is ``root_fd`` would see it.

    Absolute paths, absolute symlinks and ``..`` all stay beneath ``root_fd``; magic links of
    /proc are refused with ELOOP.
    """
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    return openat2(root_fd, path, flags, resolve=resolve, mode=mode)


def make_beneath(root_fd: int, path: str | bytes, *, folder: bool) -> None:
    """Make an empty file or a folder, and the folders above it that are missing (0755).

    Symlinks on the way are followed as a process whose root is ``root_fd`` would; OSError if one
    leads nowhere.
    """
    parts = [part for part in os.fsencode(path).split(b"/") if part not in (b"", b".")]
    for count in range(1, len(parts) + 1):
        above, name = b"/".join(parts[: count - 1]) or b".", parts[count - 1]
        parent = open_in_root(root_fd, above, os.O_PATH | os.O_DIRECTORY)
        try:
            if count < len(parts) or folder:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=parent))
        except FileExistsError:
            continue
        finally:
            os.close(parent)
