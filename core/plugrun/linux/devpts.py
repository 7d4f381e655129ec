"""A pseudo terminal in a devpts of its own (Documentation/filesystems/devpts.rst).

A container shows its terminal as /dev/pts/0 if the file system at its /dev/pts is the one that the
terminal was made in. So the file system is made first, detached, and mounted there later on.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.linux.libc import SYS_FSCONFIG, SYS_FSMOUNT, SYS_FSOPEN, syscall

# include/uapi/linux/mount.h
_CLOEXEC = 1
_SET_STRING, _CREATE = 1, 6
_NOSUID, _NOEXEC = 0x2, 0x8
# include/uapi/asm-generic/ioctls.h
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441

# What Docker mounts /dev/pts with: the group is tty, everywhere.
_OPTIONS = (("source", "devpts"), ("mode", "0620"), ("gid", "5"), ("ptmxmode", "0666"))


def open_own_pty() -> tuple[int, int, int]:
    """Return a new pty's master and replica, and the detached mount that they belong to.

    All three are close-on-exec. The mount goes away with its last descriptor unless it is
    attached somewhere (move_mount(2)). It needs CAP_SYS_ADMIN, and Linux 5.2.
    """
    mount = _new_instance()
    try:
        master = os.open("ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=mount)
        fcntl.ioctl(master, _TIOCSPTLCK, b"\0" * 4)
        replica = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(mount)
        raise
    return master, replica, mount


def _new_instance() -> int:
    context = syscall(SYS_FSOPEN, b"devpts", _CLOEXEC, subject="devpts")
    try:
        for name, value in _OPTIONS:
            syscall(SYS_FSCONFIG, context, _SET_STRING, name.encode(), value.encode(), 0)
        syscall(SYS_FSCONFIG, context, _CREATE, None, None, 0, subject="devpts")
        return syscall(SYS_FSMOUNT, context, _CLOEXEC, _NOSUID | _NOEXEC, subject="devpts")
    finally:
        os.close(context)
