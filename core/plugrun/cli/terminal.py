"""The terminal a command was started from."""

from __future__ import annotations

import os

_WIDTH = 80


def width(fd: int = 1) -> int:
    """Return the terminal's columns; 80 where it is none."""
    try:
        return os.get_terminal_size(fd).columns or _WIDTH
    except OSError:
        return _WIDTH
