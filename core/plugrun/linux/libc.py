"""libc through ctypes: how every other binding reaches the kernel."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)

# System calls without a libc wrapper that Debian 12 has; the same numbers on every architecture
# since Linux 5.1 (include/uapi/asm-generic/unistd.h).
SYS_PIDFD_SEND_SIGNAL = 424
SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432
SYS_FSPICK = 433
SYS_PIDFD_OPEN = 434
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
SYS_MOUNT_SETATTR = 442


def check(result: int, subject: str | bytes = "") -> int:
    """Return a call's result; raise OSError with errno and ``subject`` if it is negative."""
    if result >= 0:
        return result
    number = ctypes.get_errno()
    if isinstance(subject, bytes):
        subject = os.fsdecode(subject)
    raise OSError(number, os.strerror(number), subject or None)


def syscall(number: int, *args: Any, subject: str | bytes = "") -> int:
    """Make a raw system call; integers are passed as 64 bits."""
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return check(LIBC.syscall(ctypes.c_long(number), *wide), subject)
