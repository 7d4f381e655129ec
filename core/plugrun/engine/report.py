"""What a monitor tells the command that started it: JSON lines through a pipe."""

from __future__ import annotations

import os

import plugrun.errors as errors
from plugrun.errors import PlugrunError
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Reporter:
    """The monitor's end. A starter that has gone is no error: the container is served still."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def started(
        self, pid: int, stages: list[tuple[str, float]], warnings: tuple[str, ...] = ()
    ) -> None:
        """The command has been executed; ``warnings`` are what was mended on the way."""
        self._send({"started": pid, "stages": stages, "warnings": list(warnings)})

    def failed(self, error: Exception) -> None:
        """It could not be made or started."""
        kind = type(error).__name__ if isinstance(error, PlugrunError) else ""
        hint = error.hint if isinstance(error, PlugrunError) else ""
        self._send({"error": kind, "message": str(error), "hint": hint})

    def lost(self, stream: str, number: int) -> None:
        """A stream of the starter's can be written no more."""
        self._send({"lost": stream, "errno": number})

    def ended(self, code: int, stages: list[tuple[str, float]]) -> None:
        """It has ended, and what was to be cleaned up is."""
        self._send({"exit": code, "stages": stages})

    def close(self) -> None:
        """Nothing more will be said."""
        os.close(self._fd)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            os.write(self._fd, dumps(message).encode() + b"\n")
        except BrokenPipeError:
            return


class Reports:
    """The starter's end: whole messages out of what has come so far."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._rest = b""

    def read(self) -> list[dict[str, Any]] | None:
        """Return the messages that have come, or None at the end; blocks if there is nothing."""
        data = os.read(self.fd, 65536)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [loads(line) for line in lines]


def error_of(message: dict[str, Any]) -> PlugrunError:
    """Return the error that a monitor reported, of its own class."""
    kind = getattr(errors, message["error"], PlugrunError) if message["error"] else PlugrunError
    found: PlugrunError = kind(message["message"], hint=message["hint"])
    return found
