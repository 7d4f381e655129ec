"""``stop``: the container's stop signal, time to act on it, then SIGKILL."""

from __future__ import annotations

from plugrun.engine.containers import find_container, status
from plugrun.engine.ending import end_now, send_signal, wait_attended, wait_ended
from plugrun.engine.signals import signal_number
from plugrun.engine.taskfile import read_task_file
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def stop(engine: Engine, text: str, timeout: int | None) -> None:
    """Stop a container; one that does not run is stopped already.

    ``timeout`` is in seconds, None for the container's own, negative to wait for ever.
    """
    container = find_container(engine, text)
    task = read_task_file(engine.task_folder(container.id))
    if task is None or not status(engine, container).running:
        return
    patience = container.stop_timeout if timeout is None else timeout
    number = signal_number(container.stop_signal)
    send_signal(engine, container, number)
    engine.emit_container("kill", container, {"signal": str(number)})
    if wait_ended(task, None if patience < 0 else patience):
        wait_attended(engine, container, task)
    else:
        engine.emit_container("kill", container, {"signal": str(int(signals.SIGKILL))})
        end_now(engine, container, task)
    engine.emit_container("stop", container)
