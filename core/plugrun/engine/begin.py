"""Make a container's process, of what is on disk: the fence, the network, the command.

Done by the monitor that will watch it, as the process's parent.
"""

from __future__ import annotations

import os
import time

from plugrun.engine.startfile import write_start_file
from plugrun.engine.taskfile import served_by, watch_lock, write_task_file
from plugrun.engine.tidy import release
from plugrun.errors import IsolationError
from plugrun.linux.filesystem import unlink
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.model.fence import Namespaces
from plugrun.model.network import Endpoint, NetworkConfig
from plugrun.model.record import record, replace
from plugrun.monitor.exitfile import ExitFile, read_exit_file, write_exit_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.engine.plumbing import Plumbing
    from plugrun.engine.stopwatch import Stopwatch
    from plugrun.engine.taskfile import TaskFile
    from plugrun.interfaces.isolation import Task
    from plugrun.model.container import Container
    from plugrun.model.mount import Mount


@record
class Begun:
    """A process that runs: its task file, and the descriptor that holds its watch lock."""

    task: TaskFile
    watching: int


def begin(
    engine: Engine,
    container: Container,
    plumbing: Plumbing,
    clock: Stopwatch,
    life_before: TaskFile | None = None,
) -> Begun:
    """Start a container's process; this one becomes its parent.

    ``life_before`` is the task file of the life that a restart policy makes this one follow.
    When it fails the container is as it was, with the reason in its exit file. A process that is
    killed in here leaves a task file by which the rest is found.
    """
    isolation = engine.isolation_named(container.isolation.name)
    folder = engine.container_folder(container.id)
    mounts = engine.storage_of(container).mounts(container.id)
    task_file = _following(served_by(os.getpid()), life_before)
    before = read_exit_file(folder)
    watching = engine.locks.exclusive(watch_lock(container.id))
    try:
        if container.mounts:
            from plugrun.engine.volumes.serve import begin_volumes

            begin_volumes(engine, container)
        task = _create(engine, container, plumbing, mounts)
        if container.namespaces.pid == "host":
            # Its orphans are for the host's init: this process would never reap them.
            prctl(PR_SET_CHILD_SUBREAPER, 0)
        clock.mark("create")
        # Before anything can fail or be killed, so that the process can be found.
        task_file = _serving(task_file, task)
        write_task_file(engine.task_folder(container.id), task_file)
        _attach_network(engine, container, task)
        clock.mark("network")
        if before is not None:
            unlink(f"{folder}/exit")
        isolation.start(container.id)
    except Exception as error:
        release(engine, container)
        write_exit_file(folder, _failed(before, error, task_file.restarts))
        raise
    plumbing.close_inner()
    task_file = replace(task_file, started_ns=time.time_ns())
    write_task_file(engine.task_folder(container.id), task_file)
    write_start_file(folder, task_file.started_ns)
    clock.mark("start")
    engine.emit_container("start", container)
    return Begun(task_file, watching.detach())


def _create(
    engine: Engine, container: Container, plumbing: Plumbing, mounts: Sequence[Mount]
) -> Task:
    isolation = engine.isolation_named(container.isolation.name)
    folder = engine.container_folder(container.id)

    def create() -> Task:
        return isolation.create(container.id, folder, plumbing.inner, mounts)

    if container.namespaces == Namespaces():
        return create()
    from plugrun.engine.fence.joining import create_joined

    return create_joined(engine, container, create)


def _attach_network(engine: Engine, container: Container, task: Task) -> None:
    if container.net.name:
        network = engine.network_named(container.net.name)
        joined = NetworkConfig(container.network, container.network, container.net.name)
        network.attach(Endpoint(container.id, joined), f"/proc/{task.pid}/ns/net")


def _failed(before: ExitFile | None, error: Exception, restarts: int) -> ExitFile:
    """Leave the container as it was, with the reason, as Docker does."""
    code = error.exit_code if isinstance(error, IsolationError) else 128
    ended = before or ExitFile(0, 0, 0)
    return replace(ended, exit_code=max(code, 126), error=str(error), restarts=restarts)


def _following(file: TaskFile, before: TaskFile | None) -> TaskFile:
    if before is None:
        return file
    return replace(file, restarts=before.restarts, delay_ms=before.delay_ms)


def _serving(file: TaskFile, task: Task) -> TaskFile:
    return replace(
        file,
        pid=task.pid,
        started=task.started,
        oom_counter=task.oom_counter,
        freezer=task.freezer,
    )
