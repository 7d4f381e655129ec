"""The command's side of a start: fork the monitor, order a container, attend to it.

The monitor is forked before anything is looked up, and loads what it will need while the command
finds the image and makes the bundle. It is forked before the database is opened, too: SQLite's
locks do not survive a fork (sqlite.org/howtocorrupt.html, 2.6), and closing the database would
cost a checkpoint.
"""

from __future__ import annotations

import os

from plugrun.engine.client import Attachment, Input
from plugrun.engine.report import Reports, error_of
from plugrun.engine.taskfile import served_by
from plugrun.engine.terminal import RawMode
from plugrun.errors import OutputLost, PlugrunError
from plugrun.model.container import container_to_json
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.engine.stopwatch import Stopwatch
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


class Starter:
    """A forked monitor that waits for its order; it ends if none comes.

    Without ``plumbing`` the container is served detached, with streams that the monitor lays
    itself; ``guest`` is the monitor's end of a connection of whoever is attached all the same.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Stopwatch,
        plumbing: Plumbing | None = None,
        *,
        detached: bool = True,
        guest: int = -1,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._plumbing = plumbing
        self._is_detached = detached
        self._attachment: Attachment | None = None
        self._exit = 0
        # Made here once, or each of the two processes would make it.
        engine.choose_backends()
        report_read, report_write = os.pipe2(os.O_CLOEXEC)
        orders_read, self._orders = os.pipe2(os.O_CLOEXEC)
        self._monitor = os.fork()
        if self._monitor == 0:
            os.close(report_read)
            os.close(self._orders)
            self._supervise(report_write, orders_read, guest)
        for fd in (report_write, orders_read, guest):
            if fd >= 0:
                os.close(fd)
        if plumbing is not None:
            plumbing.close_inner()
            plumbing.close_outputs()
        self._reports = Reports(report_read)

    def _supervise(self, report: int, orders: int, guest: int) -> None:
        from plugrun.engine.supervise import Supervision

        supervision = Supervision(self._engine, self._plumbing, report, orders, guest)
        supervision.serve(detached=self._is_detached)

    @property
    def monitor(self) -> TaskFile:
        """What the container's task file says from the beginning."""
        return served_by(self._monitor)

    def start(self, container: Container) -> int:
        """Start a container that is on disk, and attend to it; return its exit code.

        Return 0 at once when it has started detached, or when the user detached.
        """
        self._container = container
        self._stages = list(self._clock.stages)
        order = memoryview(dumps(container_to_json(container)).encode() + b"\n")
        try:
            while order:
                order = order[os.write(self._orders, order) :]
        except BrokenPipeError:
            raise self._killed() from None
        if self._plumbing is None or self._is_detached:
            return self._detached()
        return self._attached(self._plumbing)

    def dismiss(self) -> None:
        """Have no more to do with the monitor; it ends unless it has got its order."""
        os.close(self._orders)
        os.close(self._reports.fd)

    def _detached(self) -> int:
        while not self._handle_reports():
            pass
        return 0

    def _attached(self, plumbing: Plumbing) -> int:
        container = self._container
        source = None
        if container.open_stdin:
            source = Input(plumbing.input, terminal=container.tty)
        terminal = 0 if container.tty and os.isatty(0) else -1
        self._attachment = Attachment(source, terminal, plumbing.input)
        try:
            if terminal >= 0 and container.open_stdin:
                with RawMode(terminal):
                    self._attend()
            else:
                self._attend()
        finally:
            self._attachment.close()
        return self._exit

    def _attend(self) -> None:
        assert self._attachment is not None
        self._attachment.wait((self._reports.fd,), lambda _: self._handle_reports())

    def _handle_reports(self) -> bool:
        """Take what the monitor says; True when there is nothing more to wait for."""
        messages = self._reports.read()
        if messages is None:
            raise self._killed()
        over = [self._handle(message) for message in messages]
        return any(over)

    def _handle(self, message: dict[str, Any]) -> bool:
        if "error" in message:
            raise error_of(message)
        if "lost" in message:
            # As with Docker, the command ends and the container goes on.
            why = os.strerror(message["errno"]).lower()
            raise OutputLost(f"write /dev/{message['lost']}: {why}")
        stages = [(name, milliseconds) for name, milliseconds in message["stages"]]
        self._clock.stages = [*self._stages, *stages]
        if "exit" in message:
            self._exit = message["exit"]
            return True
        if self._attachment is not None:
            self._attachment.process(message["started"])
            self._heal()
        return self._is_detached

    def _heal(self) -> None:
        """Clean up after others while the container runs and there is nothing to do."""
        from plugrun.engine.heal import heal

        heal(self._engine)

    def _killed(self) -> PlugrunError:
        return PlugrunError(
            f"the monitor of container {self._container.short_id} was killed",
            hint="`plugrun ps -a` shows what became of it",
        )
