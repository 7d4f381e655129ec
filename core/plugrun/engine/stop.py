"""``stop``: the container's stop signal, time to act on it, then SIGKILL."""

from __future__ import annotations

import time

from plugrun.engine.containers import find_container
from plugrun.engine.ending import end_now, send_signal, wait_attended, wait_ended
from plugrun.engine.halt import halt
from plugrun.errors import PlugrunError
from plugrun.linux.signalnames import signal_number
from plugrun.linux.signals import raw as signals
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


@record
class Asked:
    """Containers that have got their signal already, by what they were called, and when.

    The moment is in monotonic seconds.
    """

    found: tuple[tuple[str, Container], ...] = ()
    moment: float = 0

    def container(self, text: str) -> Container | None:
        """Return one of them, though its end may have removed it by now."""
        return next((container for name, container in self.found if name == text), None)


def stop(
    engine: Engine, text: str, timeout: int | None, signal: str = "", asked: Asked | None = None
) -> None:
    """Stop a container; one that does not run is stopped already.

    ``timeout`` is in seconds, None for the container's own, negative to wait for ever;
    ``signal`` empty for the container's own. A restart policy does not start it again. ``asked``
    is what ``ask_ahead`` returned, if it was called.
    """
    asked = asked or Asked()
    container = asked.container(text) or find_container(engine, text)
    stop_container(engine, container, timeout, signal, asked=asked)


def ask_ahead(engine: Engine, texts: Sequence[str], signal: str, *, keep: bool = False) -> Asked:
    """Ask containers to stop that are about to be waited for one by one, so that it all overlaps.

    What cannot be found or asked is for ``stop`` to report.
    """
    found: list[tuple[str, Container]] = []
    moment = time.monotonic()
    for text in texts:
        try:
            container = find_container(engine, text)
            number = signal_number(signal or container.stop_signal)
        except PlugrunError:
            continue
        task = halt(engine, container, keep=keep)
        if task is not None and task.running and container not in [c for _, c in found]:
            _ask(engine, container, number)
            found.append((text, container))
    return Asked(tuple(found), moment)


def stop_container(
    engine: Engine,
    container: Container,
    timeout: int | None,
    signal: str,
    *,
    keep: bool = False,
    asked: Asked | None = None,
) -> None:
    """The same of a container; with ``keep`` its end does not remove it."""
    asked = asked or Asked()
    ahead = container in [asked_one for _, asked_one in asked.found]
    if ahead and engine.metadata.container(container.id) is None:
        engine.emit_container("stop", container)  # it was quick, and its end removed it
        return
    number = signal_number(signal or container.stop_signal)
    task = halt(engine, container, keep=keep)
    if task is None or (task.pid == 0 and not task.restarting):
        if ahead:
            engine.emit_container("stop", container)  # it was quick
        return
    ran = task.running or ahead
    if task.running:
        patience = container.stop_timeout if timeout is None else timeout
        if not ahead:
            _ask(engine, container, number)
            asked = Asked(moment=time.monotonic())
        _end(engine, container, task, _left(patience, asked))
    else:
        # It ends, or waits to be started again: not any more.
        wait_attended(engine, container, task)
    if ran or task.restarting:
        engine.emit_container("stop", container)


def _left(patience: int, asked: Asked) -> float | None:
    """Return how much longer to wait, None for ever."""
    return None if patience < 0 else max(asked.moment + patience - time.monotonic(), 0)


def _ask(engine: Engine, container: Container, number: int) -> None:
    send_signal(engine, container, number)
    engine.emit_container("kill", container, {"signal": str(number)})


def _end(engine: Engine, container: Container, task: TaskFile, patience: float | None) -> None:
    if wait_ended(task, patience):
        wait_attended(engine, container, task)
        return
    engine.emit_container("kill", container, {"signal": str(int(signals.SIGKILL))})
    end_now(engine, container, task)
