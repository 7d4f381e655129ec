"""What is told of a command executed in a container: created, started, ended; as Docker does."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


class ExecEvents:
    """One command's events, tied together by an ID of its own."""

    def __init__(
        self, engine: Engine, container: Container, args: Sequence[str], id: str = ""
    ) -> None:
        self._engine = engine
        self._container = container
        self._command = f"{args[0]} {' '.join(args[1:])}"
        self.id = id or os.urandom(32).hex()

    def created(self) -> None:
        """It is about to be executed."""
        self._emit(f"exec_create: {self._command}")

    def started(self) -> None:
        """It runs."""
        self._emit(f"exec_start: {self._command}")

    def ended(self, exit_code: int) -> None:
        """It has ended."""
        self._emit("exec_die", {"exitCode": str(exit_code)})

    def _emit(self, action: str, more: dict[str, str] | None = None) -> None:
        self._engine.emit_container(action, self._container, {"execID": self.id, **(more or {})})
