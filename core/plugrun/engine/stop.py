"""``stop``: the container's stop signal, time to act on it, then SIGKILL."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.ending import end_now, send_signal, wait_attended, wait_ended
from plugrun.engine.halt import halt
from plugrun.engine.signals import signal_number
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


def stop(engine: Engine, text: str, timeout: int | None, signal: str = "") -> None:
    """Stop a container; one that does not run is stopped already.

    ``timeout`` is in seconds, None for the container's own, negative to wait for ever;
    ``signal`` empty for the container's own. A restart policy does not start it again.
    """
    stop_container(engine, find_container(engine, text), timeout, signal)


def stop_container(
    engine: Engine, container: Container, timeout: int | None, signal: str, *, keep: bool = False
) -> None:
    """The same of a container; with ``keep`` its end does not remove it."""
    number = signal_number(signal or container.stop_signal)
    task = halt(engine, container, keep=keep)
    if task is None or (task.pid == 0 and not task.restarting):
        return
    ran = task.running
    if ran:
        patience = container.stop_timeout if timeout is None else timeout
        _end(engine, container, task, number, None if patience < 0 else patience)
    else:
        # It ends, or waits to be started again: not any more.
        wait_attended(engine, container, task)
    if ran or task.restarting:
        engine.emit_container("stop", container)


def _end(
    engine: Engine, container: Container, task: TaskFile, number: int, patience: float | None
) -> None:
    send_signal(engine, container, number)
    engine.emit_container("kill", container, {"signal": str(number)})
    if wait_ended(task, patience):
        wait_attended(engine, container, task)
        return
    engine.emit_container("kill", container, {"signal": str(int(signals.SIGKILL))})
    end_now(engine, container, task)
