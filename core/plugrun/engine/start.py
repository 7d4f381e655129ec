"""``start``: make the fence of a container that exists, and run its command in it again."""

from __future__ import annotations

from plugrun.engine.containers import find_container, status
from plugrun.engine.create import write_bundle
from plugrun.engine.ending import wait_attended
from plugrun.engine.starter import Starter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.taskfile import read_task_file, serve_lock, write_task_file
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.model.container import PAUSED, RESTARTING, RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def start(engine: Engine, text: str, guest: int = -1) -> Container:
    """Start a container, detached; one that runs is left as it is.

    ``guest`` is the monitor's end of a connection of whoever is to be attached from the first
    byte; it is closed here, and led nowhere if the container was running.
    """
    engine.close_metadata()
    starter = Starter(engine, Stopwatch(), guest=guest)
    try:
        container = find_container(engine, text)
        with engine.locks.exclusive(serve_lock(container.id)):
            return _start(engine, container, starter)
    finally:
        starter.dismiss()


def _start(engine: Engine, container: Container, starter: Starter) -> Container:
    """Start it while nobody else does."""
    task = read_task_file(engine.task_folder(container.id))
    now = status(engine, container)
    if now.state in (RUNNING, RESTARTING):
        return container
    if now.state == PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    if task is not None and task.pid == 0 and task.attended:
        raise Conflict(f"container {container.name} is being made by another command")
    if task is not None:
        wait_attended(engine, container, task)
    # As it is now: it may have been removed by its end, or changed meanwhile.
    found = engine.metadata.container(container.id)
    if found is None:
        raise NoSuchContainer(f"No such container: {container.name}")
    write_task_file(engine.task_folder(found.id), starter.monitor)
    write_bundle(engine, found)
    starter.start(found)
    return found
