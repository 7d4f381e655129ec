"""The end of what a cell wrote, and how it is read."""

from __future__ import annotations

import os
import re

_TAIL = 64 << 10  # bytes
# ECMA-48: control sequences (colours mostly), and the strings that set a terminal's title.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])"
)
_PICTURES = {number: 0x2400 + number for number in range(32) if chr(number) not in "\t\n"}
_PICTURES[0x7F] = 0x2421


def tail(log: str, most: int = _TAIL) -> str:
    """Return the last ``most`` bytes of a log as text, said so if something is cut off."""
    if not log:
        return ""
    with open(log, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - most, 0))
        text = file.read().decode("utf-8", "replace")
    return f"[{size - most} bytes before this are left out]\n{text}" if size > most else text


def readable(text: str) -> str:
    """Return text for a reader who has no terminal: without colours, each progress of a line that
    was written over itself on a line of its own, other control characters as pictures (U+2400)."""
    plain = _SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return plain.translate(_PICTURES)
