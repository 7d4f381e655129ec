"""The user's terminal: raw mode and window size (termios(3), tty_ioctl(4))."""

from __future__ import annotations

import fcntl
import os
import termios
from sys import byteorder


class RawMode:
    """``with`` this, a terminal passes every key on; afterwards it is as it was."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved = termios.tcgetattr(fd)

    def __enter__(self) -> None:
        # What cfmakeraw(3) does.
        iflag, oflag, cflag, lflag, ispeed, ospeed, chars = termios.tcgetattr(self._fd)
        iflag &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        oflag &= ~termios.OPOST
        lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        raw = [iflag, oflag, cflag, lflag, ispeed, ospeed, list(chars)]
        termios.tcsetattr(self._fd, termios.TCSANOW, raw)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


def copy_window_size(source: int, target: int) -> None:
    """Give one terminal the size of another; one that has gone is left alone."""
    try:
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)
    except OSError:
        return


def window_size(fd: int) -> tuple[int, int] | None:
    """Return a terminal's rows and columns, None if it has gone."""
    try:
        packed = fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return None
    return int.from_bytes(packed[:2], byteorder), int.from_bytes(packed[2:4], byteorder)


def set_window_size(fd: int, rows: int, columns: int) -> None:
    """Give a terminal a size; one that has gone is left alone."""
    packed = rows.to_bytes(2, byteorder) + columns.to_bytes(2, byteorder) + b"\0" * 4
    try:
        fcntl.ioctl(fd, termios.TIOCSWINSZ, packed)
    except OSError:
        return


def first_terminal() -> int:
    """Return which of 0, 1 and 2 is a terminal, or -1."""
    for fd in (0, 1, 2):
        if os.isatty(fd):
            return fd
    return -1
