"""System calls that Python has not, through ctypes: load this where the first of them is needed."""

from __future__ import annotations

import ctypes
import os

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4
LIBC = ctypes.CDLL(None, use_errno=True)


def rename2(olddir: int, old: bytes, newdir: int, new: bytes, flags: int) -> None:
    """renameat2(2)."""
    _check(LIBC.renameat2(olddir, old, newdir, new, ctypes.c_uint(flags)))


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2), in any mode that the file system has."""
    _check(LIBC.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
