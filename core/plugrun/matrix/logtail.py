"""The end of what a cell wrote."""

from __future__ import annotations

import os

_TAIL = 64 << 10  # bytes


def tail(log: str, most: int = _TAIL) -> str:
    """Return the last ``most`` bytes of a log as text, said so if something is cut off."""
    if not log:
        return ""
    with open(log, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - most, 0))
        text = file.read().decode("utf-8", "replace")
    return f"[{size - most} bytes before this are left out]\n{text}" if size > most else text
