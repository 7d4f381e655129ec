"""How far a suite is, told by its pytest (``plugrun.testing.installed``) through a pipe, in lines:
``total COUNT`` once, then ``done NAME`` or ``failed NAME`` for each test, and ``end``."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Protocol


class Progress(Protocol):
    """Hears of a suite that runs."""

    def collected(self, total: int) -> None:
        """So many tests are to be run."""

    def finished(self, name: str, *, failed: bool) -> None:
        """One test has come to its end."""


class Silence:
    """Tells nobody."""

    def collected(self, total: int) -> None:
        """Say nothing."""

    def finished(self, name: str, *, failed: bool) -> None:
        """Say nothing."""


def follow(pipe: int, pid: int, progress: Progress) -> None:
    """Pass on what comes through a pipe, until the suite or its process has ended."""
    for line in _lines(pipe, pid):
        word, _, rest = line.partition(" ")
        if word == "end":
            return
        if word == "total":
            progress.collected(int(rest))
        else:
            progress.finished(rest, failed=word == "failed")


def _lines(pipe: int, pid: int) -> Iterator[str]:
    """Yield lines; what a test left running may hold the pipe open for longer than the process."""
    process = os.pidfd_open(pid)
    try:
        rest = b""
        while True:
            ready, _, _ = select.select([pipe, process], [], [])
            data = os.read(pipe, 65536) if pipe in ready else b""
            if not data:
                return
            *whole, rest = (rest + data).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
    finally:
        os.close(process)
