"""The command's side of a start: fork the monitor, order a container, attend to it.

The monitor is forked before anything is looked up, and loads what it will need while the command
finds the image and makes the bundle. It is forked before the database is opened, too: SQLite's
locks do not survive a fork (sqlite.org/howtocorrupt.html, 2.6), and closing the database would
cost a checkpoint.
"""

from __future__ import annotations

import os
import sys

from plugrun.engine.attaching.client import Attachment, Input
from plugrun.engine.report import Reports, error_of
from plugrun.engine.taskfile import served_by
from plugrun.errors import BackendUnavailable, NoSuchNetwork, OutputLost, PlugrunError
from plugrun.linux.terminal import RawMode
from plugrun.model.container import container_to_json
from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.attaching.client import Wishes
    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.engine.stopwatch import Stopwatch
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


class Starter:
    """A forked monitor that waits for its order; it ends if none comes.

    With ``wishes`` the caller is attached, to what is laid in ``plumbing``. Without ``plumbing``
    the monitor lays the streams itself; ``guest`` is its end of a connection of somebody who is
    attached from the beginning. ``networked`` says that the container will be on a network, so
    that the monitor loads what that takes while it waits.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Stopwatch,
        plumbing: Plumbing | None = None,
        *,
        wishes: Wishes | None = None,
        guest: int = -1,
        networked: bool = False,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._plumbing = plumbing
        self._wishes = wishes
        self._networked = networked
        self._attachment: Attachment | None = None
        self._exit = 0
        self.pid = 0
        try:
            # Made here once, or each of the two processes would make it; so is what both load.
            engine.choose_backends()
            engine.storage()
        except BackendUnavailable:
            # Who makes a container hears of it; one that exists stays with those that made it.
            pass
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
        supervision.serve(detached=self._wishes is None, networked=self._networked)

    @property
    def monitor(self) -> TaskFile:
        """What the container's task file says from the beginning."""
        return served_by(self._monitor)

    def start(self, container: Container) -> int:
        """Start a container that is on disk, and attend to it; return its exit code.

        Return 0 at once when it has started detached, or when the user detached. Raise
        NoSuchNetwork if one of its networks was removed.
        """
        self._container = container
        self._stages = list(self._clock.stages)
        order = memoryview(dumps(self._order(container)).encode() + b"\n")
        try:
            while order:
                order = order[os.write(self._orders, order) :]
        except BrokenPipeError:
            raise self._killed() from None
        if self._plumbing is None or self._wishes is None:
            return self._detached()
        return self._attached(self._plumbing, self._wishes)

    def _order(self, container: Container) -> list[Any]:
        """Return the container and its networks, as plain JSON."""
        if not container.endpoints:
            return [container_to_json(container), []]
        from plugrun.engine.networks.attach import claim_networks
        from plugrun.model.network import network_to_json

        try:
            networks = claim_networks(self._engine, container)
        except NoSuchNetwork as error:
            self._give_up(container, error)
            raise
        return [container_to_json(container), [network_to_json(one) for one in networks]]

    def _give_up(self, container: Container, error: NoSuchNetwork) -> None:
        """Leave the container as it was, with the reason; the monitor ends without an order."""
        from plugrun.engine.begin import note_failure
        from plugrun.engine.tidy import forget_task
        from plugrun.monitor.exitfile import read_exit_file

        before = read_exit_file(self._engine.container_folder(container.id))
        note_failure(self._engine, container, error, before=before)
        forget_task(self._engine, container.id)

    def dismiss(self) -> None:
        """Have no more to do with the monitor; it ends unless it has got its order."""
        os.close(self._orders)
        os.close(self._reports.fd)

    def _detached(self) -> int:
        while not self._handle_reports():
            pass
        return 0

    def _attached(self, plumbing: Plumbing, wishes: Wishes) -> int:
        container = self._container
        source = None
        if container.open_stdin and "stdin" in wishes.streams:
            source = Input(plumbing.input, terminal=container.tty, keys=wishes.keys)
        elif plumbing.input >= 0 and not container.tty:
            os.close(plumbing.input)  # the monitor's alone
        terminal = 0 if container.tty and os.isatty(0) else -1
        self._attachment = Attachment(
            source, terminal, plumbing.input, proxy=wishes.proxy, resized=self._resized
        )
        try:
            if terminal >= 0 and source is not None:
                with RawMode(terminal):
                    self._attend(wishes)
            else:
                self._attend(wishes)
        finally:
            self._attachment.close()
        return self._exit

    def _resized(self, rows: int, columns: int) -> None:
        size = {"height": str(rows), "width": str(columns)}
        self._engine.emit_container("resize", self._container, size)

    def _attend(self, wishes: Wishes) -> None:
        assert self._attachment is not None
        if wishes.streams == ("stdin",) and not self._container.open_stdin:
            while not self.pid and not self._handle_reports():
                pass  # nothing is passed on and nothing is shown: it has only to start
            return
        if wishes.streams == ("stdin",):
            # As with Docker: who sees no output only waits until the input is passed on.
            self._attachment.wait((), lambda _: False)
            return
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
        self.pid = message["started"]
        for text in message["warnings"]:
            sys.stderr.write(f"WARNING: {text}\n")
        if self._attachment is not None:
            self._attachment.process(self.pid)
            self._attachment.follow_size()
            self._heal()
        return self._wishes is None

    def _heal(self) -> None:
        """Clean up after others while the container runs and there is nothing to do."""
        from plugrun.engine.heal import heal

        try:
            heal(self._engine)
        except (OSError, PlugrunError):
            # A full disk, say. It is not what this command is about, and the next one tries again.
            return

    def _killed(self) -> PlugrunError:
        return PlugrunError(
            f"the monitor of container {self._container.short_id} was killed",
            hint="`plugrun ps -a` shows what became of it",
        )
