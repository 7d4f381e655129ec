"""``kill``: one signal, at once."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.ending import end_now, send_signal, wait_attended
from plugrun.engine.halt import halt
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.linux.signalnames import signal_number
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def kill(engine: Engine, text: str, signal: str) -> None:
    """Send a signal to a running container; after SIGKILL, wait until it is cleaned up.

    A restart policy does not start what SIGKILL or its stop signal has ended; one that waits to
    start it gives that up.
    """
    number = signal_number(signal)
    try:
        container = find_container(engine, text)
    except NoSuchContainer as error:
        raise NoSuchContainer(f"cannot kill container: {text}: {error.message}") from None
    task = read_task_file(engine.task_folder(container.id))
    ends = number in (signals.SIGKILL, signal_number(container.stop_signal))
    if task is not None and container.restart.name != "no" and (ends or task.restarting):
        task = halt(engine, container)
        if task is not None and task.restarting:
            wait_attended(engine, container, task)
            return
    if task is None or not task.running or not send_signal(engine, container, number):
        raise Conflict(f"cannot kill container: {text}: container {container.id} is not running")
    engine.emit_container("kill", container, {"signal": str(number)})
    if number == signals.SIGKILL:
        end_now(engine, container, task)
