"""A pty of a container's own devpts, so that ``tty`` and /proc/self/fd name it there (pty(7))."""

from __future__ import annotations

import fcntl
import os
import stat

from plugrun.errors import CommandNotExecutable
from plugrun.linux.beneath import open_in_root

# include/uapi/asm-generic/ioctls.h
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441

# Documentation/admin-guide/devices.txt: /dev/ptmx
_PTMX = os.makedev(5, 2)


def open_inner_pty(pid: int) -> tuple[int, int]:
    """Return both ends of a new pty of a running container: ours, and the one inside.

    Raise CommandNotExecutable if the container has no terminals.
    """
    try:
        ours = _open_multiplexer(pid)
    except OSError as error:
        raise CommandNotExecutable(
            f"the container has no terminals: /dev/pts/ptmx: {error}"
        ) from None
    try:
        fcntl.ioctl(ours, _TIOCSPTLCK, b"\0" * 4)
        # The other end by descriptor: its path is the container's, and may lead elsewhere.
        theirs = fcntl.ioctl(ours, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        os.close(ours)
        raise CommandNotExecutable(f"the container gives no terminal: {error}") from None
    return ours, theirs


def _open_multiplexer(pid: int) -> int:
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        place = open_in_root(root, "dev/pts/ptmx", os.O_PATH)
    finally:
        os.close(root)
    try:
        # Looked at before it is opened: to open another device can be to act.
        state = os.fstat(place)
        if not stat.S_ISCHR(state.st_mode) or state.st_rdev != _PTMX:
            raise FileNotFoundError("is not the kernel's")
        return os.open(f"/proc/self/fd/{place}", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(place)
