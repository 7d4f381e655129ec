"""When a file was made: statx(2), which Python does not have yet."""

from __future__ import annotations

import ctypes

from plugrun.linux.libc import LIBC, check

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
# struct statx: a mask first; at 80 the time of birth, seconds and nanoseconds.
_BIRTH = 80


def birth_ns(fd: int) -> int:
    """Return when a file was made, in nanoseconds since 1970; 0 if its file system forgets."""
    found = ctypes.create_string_buffer(256)
    check(LIBC.statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, found))
    if not ctypes.c_uint32.from_buffer(found).value & _STATX_BTIME:
        return 0
    seconds = ctypes.c_int64.from_buffer(found, _BIRTH).value
    return seconds * 10**9 + ctypes.c_uint32.from_buffer(found, _BIRTH + 8).value
