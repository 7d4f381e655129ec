"""What ends a run before its command has a status of its own."""

from __future__ import annotations

MACHINE_FAILED = 125
TIMED_OUT = 124


class Failed(Exception):
    """The machine cannot be made, or ended by itself; ``status`` is what vmrun returns."""

    def __init__(self, message: str, status: int = MACHINE_FAILED) -> None:
        super().__init__(message)
        self.status = status
