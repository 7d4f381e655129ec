"""The terminal a command was started from."""

from __future__ import annotations

import os

from plugrun.errors import UsageError

_WIDTH = 80


def check_terminal(interactive: bool, tty: bool) -> None:
    """Refuse to connect a terminal in the container to a standard input that is none."""
    if interactive and tty and not os.isatty(0):
        raise UsageError("the input device is not a TTY", hint="leave out -t")


def width(fd: int = 1) -> int:
    """Return the terminal's columns; 80 where it is none."""
    try:
        return os.get_terminal_size(fd).columns or _WIDTH
    except OSError:
        return _WIDTH
