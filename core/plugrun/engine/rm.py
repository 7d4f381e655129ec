"""``rm``: remove a container and everything that was made for it."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.discard import remove_stopped
from plugrun.engine.ending import end_now, send_signal
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, PlugrunError
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine


def remove(engine: Engine, text: str, force: bool) -> None:
    """Remove a container; a running one only with ``force``, which kills it first."""
    container = find_container(engine, text)
    task = read_task_file(engine.task_folder(container.id))
    if task is not None and task.pid == 0 and task.attended:
        raise Conflict(f'cannot remove container "/{container.name}": it is being started')
    if task is not None and task.paused and not force:
        raise Conflict(
            f'cannot remove container "/{container.name}": container is paused and must be '
            "unpaused first"
        )
    if task is not None and task.running and not force:
        raise Conflict(
            f'cannot remove container "/{container.name}": container is running: stop the '
            "container before removing or force remove"
        )
    if task is not None:
        end_now(engine, container, task)
    if engine.metadata.container(container.id) is not None:
        remove_stopped(engine, container)


def kill_ahead(engine: Engine, texts: Sequence[str]) -> None:
    """Kill containers that are about to be removed one by one, so that their ends overlap.

    What cannot be found or killed is for ``remove`` to report.
    """
    for text in texts:
        try:
            container = find_container(engine, text)
        except PlugrunError:
            continue
        if send_signal(engine, container, signals.SIGKILL):
            engine.emit_container("kill", container, {"signal": str(int(signals.SIGKILL))})
