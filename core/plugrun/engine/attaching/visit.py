"""Being attached to a container through its monitor's door: the guest's side of a connection.

Output does not pass through here: the monitor writes it to the descriptors it was given.
"""

from __future__ import annotations

import os

from plugrun.engine.attaching.client import Attachment, Input
from plugrun.errors import OutputLost, PlugrunError
from plugrun.linux.terminal import RawMode
from plugrun.model.record import record
from plugrun.monitor.guests import receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from plugrun.engine.attaching.client import Wishes
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


@record
class Parting:
    """How it ended: with the container's exit code, or because the user left (``detached``)."""

    exit_code: int = 0
    detached: bool = False


def ask(connection: socket, wishes: Wishes) -> None:
    """Say what is wanted, and where output is to go: to our own 1 and 2."""
    outputs = [fd for name, fd in (("stdout", 1), ("stderr", 2)) if name in wishes.streams]
    send(connection, f"attach {' '.join(wishes.streams)}", *outputs)


class Visit:
    """An attached command. ``with`` this; afterwards the terminal is as it was."""

    def __init__(self, engine: Engine, connection: socket, wishes: Wishes) -> None:
        self._engine = engine
        self._connection = connection
        self._wishes = wishes
        self._raw: RawMode | None = None
        self._exit: int | None = None

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._raw is not None:
            self._raw.__exit__(kind)

    def meet(self, container: Container) -> None:
        """Say whom it is to: before its first byte of output, so that no key goes astray."""
        self._container = container
        self._gives = "stdin" in self._wishes.streams and container.open_stdin
        if container.tty and self._gives and os.isatty(0):
            self._raw = RawMode(0)
            self._raw.__enter__()

    def serve(self, pid: int, *, redraw: bool = False) -> Parting:
        """Attend until the container has ended or the user has left.

        ``pid`` is who signals are for; with ``redraw`` a program that fills the screen is made to
        draw it anew. Raise PlugrunError if the monitor dies.
        """
        words, fds = receive(self._connection)
        if not words:
            raise self._lost_monitor()
        return self._attend(fds[0] if fds else -1, pid, redraw)

    def _attend(self, shared: int, pid: int, redraw: bool) -> Parting:
        tty = self._container.tty
        source = None
        if self._gives and shared >= 0:
            source = Input(
                os.dup(shared), terminal=tty, keys=self._wishes.keys, ended=self._end_input
            )
        if not tty and shared >= 0:
            os.close(shared)  # only the input's own copy must be left, for its end to be seen
        terminal = _own_terminal() if tty else -1
        attachment = Attachment(
            source, terminal, shared, proxy=self._wishes.proxy, resized=self._resized
        )
        try:
            attachment.process(pid)
            attachment.follow_size(redraw=redraw)
            if not attachment.wait((self._connection.fileno(),), self._hear):
                return Parting(detached=True)
        finally:
            attachment.close()
        if self._exit is None:
            raise self._lost_monitor()
        return Parting(self._exit)

    def _resized(self, rows: int, columns: int) -> None:
        size = {"height": str(rows), "width": str(columns)}
        self._engine.emit_container("resize", self._container, size)

    def _end_input(self) -> None:
        try:
            send(self._connection, "end")
        except OSError:
            return  # the monitor has gone; that is noticed where it is listened to

    def _hear(self, fd: int) -> bool:
        """Take one message; True at the end."""
        try:
            words, _ = receive(self._connection)
        except ConnectionResetError:
            return True
        if not words:
            return True
        if words[0] == "lost":
            why = os.strerror(int(words[2])).lower()
            raise OutputLost(f"write /dev/{words[1]}: {why}")
        if words[0] == "exit":
            self._exit = int(words[1])
        return self._exit is not None

    def _lost_monitor(self) -> PlugrunError:
        return PlugrunError(
            f"the monitor of container {self._container.short_id} was killed",
            hint="`plugrun ps -a` shows what became of it",
        )


def _own_terminal() -> int:
    """Return which of ours has the window whose size counts, or -1."""
    return next((fd for fd in (0, 1) if os.isatty(fd)), -1)
