"""Which kernel runs: for what it cannot be asked about."""

from __future__ import annotations

import os


def is_kernel(major: int, minor: int) -> bool:
    """Whether the kernel is of this version or a later one, by its own word (uname(2))."""
    numbers = os.uname().release.split("-")[0].split(".")
    found = [int(number) if number.isdecimal() else 0 for number in numbers[:2]]
    return found >= [major, minor]
