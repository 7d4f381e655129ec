"""``start``: make the fence of a container that exists, and run its command in it again."""

from __future__ import annotations

from plugrun.engine.containers import find_container, status
from plugrun.engine.create import write_bundle
from plugrun.engine.ending import wait_attended, wait_monitor
from plugrun.engine.starter import Starter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.taskfile import read_task_file, serve_lock, write_task_file
from plugrun.engine.tidy import forget_task
from plugrun.errors import Conflict, NoSuchContainer, PlugrunError
from plugrun.model.container import PAUSED, RESTARTING, RUNNING

# Seconds. A restart policy makes a monitor go on instead of ending.
_GLANCE = 0.02

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.attaching.client import Wishes
    from plugrun.engine.attaching.visit import Parting, Visit
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


def start(engine: Engine, text: str) -> None:
    """Start a container, detached; one that runs is left as it is."""
    _start_with(engine, text, -1, None)


def start_attached(engine: Engine, text: str, wishes: Wishes) -> Parting:
    """Start a container and be attached from its first byte; one that runs is joined."""
    from _socket import AF_UNIX, SOCK_SEQPACKET, socketpair

    from plugrun.engine.attaching.attach import join
    from plugrun.engine.attaching.visit import Visit, ask

    connection, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    ask(connection, wishes)
    with Visit(engine, connection, wishes) as visit:
        container, pid = _start_with(engine, text, theirs.detach(), visit)
        if pid:
            parting = visit.serve(pid)
    if not pid:
        connection.close()
        return join(engine, container, status(engine, container).pid, wishes)
    if container.auto_remove and not parting.detached:
        task = read_task_file(engine.task_folder(container.id))
        if task is not None:
            wait_attended(engine, container, task)
    return parting


def _start_with(
    engine: Engine, text: str, guest: int, visit: Visit | None
) -> tuple[Container, int]:
    """Start a container with whoever is attached; return it and its PID, 0 if it was running."""
    engine.close_metadata()
    starter = Starter(engine, Stopwatch(), guest=guest, networked=True)
    try:
        container = find_container(engine, text)
        while True:
            _settle(engine, container)
            with engine.locks.exclusive(serve_lock(container.id)):
                if not _is_changing(read_task_file(engine.task_folder(container.id))):
                    return _start_settled(engine, container, starter, visit)
    finally:
        starter.dismiss()


def _settle(engine: Engine, container: Container) -> None:
    """Wait until a monitor has cleaned up, decided to go on, or done what another began.

    Not under the lock, which it needs for that.
    """
    while _is_changing(task := read_task_file(engine.task_folder(container.id))):
        assert task is not None
        wait_monitor(task, _GLANCE)


def _is_changing(task: TaskFile | None) -> bool:
    """Whether somebody is about to start it, or to clean up after it."""
    if task is None or task.restarting or task.running:
        return False
    return task.attended


def _start_settled(
    engine: Engine, container: Container, starter: Starter, visit: Visit | None
) -> tuple[Container, int]:
    found = _startable(engine, container)
    if found is None:
        return container, 0
    if visit is not None:
        visit.meet(found)
        engine.emit_container("attach", found)
    write_task_file(engine.task_folder(found.id), starter.monitor)
    try:
        engine.check_run_root()
        write_bundle(engine, found)
    except PlugrunError:
        forget_task(engine, found.id)
        raise
    starter.start(found)
    return found, starter.pid


def _startable(engine: Engine, container: Container) -> Container | None:
    """Return the record of a container that nothing keeps from starting; None if it runs."""
    task = read_task_file(engine.task_folder(container.id))
    now = status(engine, container)
    if now.state in (RUNNING, RESTARTING):
        return None
    if now.state == PAUSED:
        raise Conflict("cannot start a paused container, try unpause instead")
    if task is not None:
        wait_attended(engine, container, task)
    # As it is now: it may have been removed by its end, or changed meanwhile.
    found = engine.metadata.container(container.id)
    if found is None:
        raise NoSuchContainer(f"No such container: {container.name}")
    return found
