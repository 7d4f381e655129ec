"""A real pseudo-terminal with a command on it, as a user sits before one."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

from tests.e2e.conftest import PATIENCE


class Terminal:
    """``with`` this: a command whose descriptors 0 to 2 are a terminal of its own."""

    def __init__(self, argv: Sequence[str], rows: int = 24, columns: int = 80) -> None:
        self._ours, theirs = os.openpty()
        self.seen = ""
        self._passed = 0
        self.resize(rows, columns)
        self._before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            [*argv], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._theirs)
        os.close(self._ours)

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is as it was before the command."""
        return termios.tcgetattr(self._theirs) == self._before

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: str) -> None:
        os.write(self._ours, keys.encode("latin-1"))

    def expect(self, text: str) -> None:
        """Read until a text appears after what was expected before it."""
        end = time.monotonic() + PATIENCE
        while (found := self.seen.find(text, self._passed)) < 0:
            left = end - time.monotonic()
            assert left > 0, (text, self.seen)
            assert self._read(left), (text, self.seen)
        self._passed = found + len(text)

    def wait(self) -> int:
        """Read to the command's end; return its exit code."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen
            self._read(0.05)
        while select.select([self._ours], [], [], 0)[0] and self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if select.select([self._ours], [], [], seconds)[0]:
            data = os.read(self._ours, 65536)
            self.seen += data.decode("utf-8", "replace")
            return bool(data)
        return True
