"""Doing without a capability for a moment (capset(2))."""

from __future__ import annotations

import ctypes
import os

from plugrun_storage_fuse.server.system import LIBC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION_3 = 0x20080522
_FSETID = 1 << 4
_EFFECTIVE = 0  # then permitted, inheritable; and all three for capabilities from 32 on

_Header = ctypes.c_uint32 * 2
_Sets = ctypes.c_uint32 * 6


def without_fsetid(act: Callable[[], int]) -> int:
    """Do something without CAP_FSETID in the effective set."""
    header = _Header(_VERSION_3, 0)
    sets = _Sets()
    _check(LIBC.capget(header, sets))
    had = sets[_EFFECTIVE]
    sets[_EFFECTIVE] = had & ~_FSETID
    _check(LIBC.capset(header, sets))
    try:
        return act()
    finally:
        sets[_EFFECTIVE] = had
        _check(LIBC.capset(header, sets))


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
