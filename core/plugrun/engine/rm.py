"""``rm``: remove a container and everything that was made for it."""

from __future__ import annotations

from plugrun.engine.containers import find_container
from plugrun.engine.discard import remove_stopped
from plugrun.engine.ending import end_now, send_signal, wait_monitor
from plugrun.engine.halt import comes_back, halt
from plugrun.engine.taskfile import read_task_file, serve_lock
from plugrun.errors import Conflict, PlugrunError
from plugrun.linux.signals import raw as signals

_GLANCE = 0.02  # seconds
_KILLED = {"signal": str(int(signals.SIGKILL))}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


def remove(
    engine: Engine,
    text: str,
    force: bool,
    killed: Mapping[str, Container] | None = None,
    *,
    volumes: bool = False,
) -> None:
    """Remove a container; a running one only with ``force``, which kills it first.

    ``killed`` is what ``kill_ahead`` has killed: one that its end has removed meanwhile is removed.
    ``volumes`` is to remove the anonymous volumes that nobody else uses.
    """
    ahead = killed or {}
    container = ahead.get(text) or find_container(engine, text)
    while True:
        task = read_task_file(engine.task_folder(container.id))
        if task is not None and task.pid == 0 and task.attended and not task.restarting:
            # Somebody makes or starts it just now.
            wait_monitor(task, _GLANCE)
            continue
        if task is not None and not force:
            _refuse(engine, container, task)
        if task is not None:
            _end(engine, container, text in ahead)
        with engine.locks.exclusive(serve_lock(container.id)):
            if read_task_file(engine.task_folder(container.id)) is None:
                if engine.metadata.container(container.id) is not None:
                    remove_stopped(engine, container, volumes=volumes)
                return


def _refuse(engine: Engine, container: Container, task: TaskFile) -> None:
    """Raise Conflict if the container lives, or is about to."""
    doing, remedy = "", "stop the container before removing or force remove"
    if task.paused:
        doing, remedy = "paused and must be unpaused first", ""
    elif task.running:
        doing = "running"
    elif comes_back(engine, container, task):
        doing = "restarting"
    if doing:
        what = f"{doing}: {remedy}" if remedy else doing
        raise Conflict(f'cannot remove container "/{container.name}": container is {what}')


def _end(engine: Engine, container: Container, killed: bool) -> None:
    task = halt(engine, container)
    if task is None:
        return
    if task.running and not killed:
        engine.emit_container("kill", container, _KILLED)
    end_now(engine, container, task)


def kill_ahead(engine: Engine, texts: Sequence[str]) -> dict[str, Container]:
    """Kill containers that are about to be removed one by one, so that their ends overlap.

    Return those it killed by what they were called; what cannot be found or killed is for
    ``remove`` to report.
    """
    killed = {}
    for text in texts:
        try:
            container = find_container(engine, text)
        except PlugrunError:
            continue
        halt(engine, container)
        if send_signal(engine, container, signals.SIGKILL):
            engine.emit_container("kill", container, _KILLED)
            killed[text] = container
    return killed
