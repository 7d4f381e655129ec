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
from plugrun.interfaces.isolation import EARLY_PID
from plugrun.linux.filesystem import unlink
from plugrun.linux.process import PR_SET_CHILD_SUBREAPER, prctl
from plugrun.model.fence import Namespaces
from plugrun.model.network import OF_CONTAINER
from plugrun.model.record import record, replace
from plugrun.monitor.exitfile import ExitFile, read_exit_file, write_exit_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedTask
    from plugrun.engine.networks.attaching import Attaching
    from plugrun.engine.plumbing import Plumbing
    from plugrun.engine.stopwatch import Stopwatch
    from plugrun.engine.taskfile import TaskFile
    from plugrun.interfaces.isolation import Task
    from plugrun.model.container import Container
    from plugrun.model.mount import Mount
    from plugrun.model.network import NetworkConfig


@record
class Begun:
    """A process that runs: its task file, and the descriptor that holds its watch lock.

    ``held`` are descriptors that its networks want open while it lives, ``warnings`` what they had
    to mend.
    """

    task: TaskFile
    watching: int
    held: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def begin(
    engine: Engine,
    container: Container,
    plumbing: Plumbing,
    clock: Stopwatch,
    life_before: TaskFile | None = None,
    networks: Sequence[NetworkConfig] = (),
) -> Begun:
    """Start a container's process; this one becomes its parent.

    ``networks`` are those of its endpoints, in their order. ``life_before`` is the task file of
    the life that a restart policy makes this one follow. When it fails the container is as it was,
    with the reason in its exit file. A process that is killed in here leaves a task file by which
    the rest is found.
    """
    isolation = engine.isolation_named(container.isolation.name)
    folder = engine.container_folder(container.id)
    mounts = engine.storage_of(container).mounts(container.id)
    if container.uid_map:
        from plugrun.engine.userns.mounts import seen_inside

        mounts = seen_inside(container, mounts)
    task_file = _following(served_by(os.getpid()), life_before)
    before = read_exit_file(folder)
    watching = engine.locks.exclusive(watch_lock(container.id))
    attached: AttachedTask | None = None
    attaching = _attaching(engine, container, networks)
    try:
        if container.mounts:
            from plugrun.engine.volumes.serve import begin_volumes

            begin_volumes(engine, container)
        task = _create(engine, container, plumbing, mounts, attaching)
        if container.namespaces.pid == "host":
            # Its orphans are for the host's init: this process would never reap them.
            prctl(PR_SET_CHILD_SUBREAPER, 0)
        clock.mark("create")
        # Before anything can fail or be killed, so that the process can be found.
        task_file = _serving(task_file, task)
        write_task_file(engine.task_folder(container.id), task_file)
        if attaching is not None:
            attached = attaching.finish(task.pid)
        clock.mark("network")
        if before is not None:
            unlink(f"{folder}/exit")
        # While there is nobody yet who could take the room that it needs.
        write_start_file(folder, time.time_ns())
        isolation.start(container.id)
    except Exception as error:
        if before is None:
            unlink(f"{folder}/started")
        release(engine, container)
        note_failure(engine, container, error, task_file.restarts, before)
        raise
    plumbing.close_inner()
    task_file = replace(task_file, started_ns=time.time_ns())
    write_task_file(engine.task_folder(container.id), task_file)
    clock.mark("start")
    engine.emit_container("start", container)
    if attached is None:
        return Begun(task_file, watching.detach())
    return Begun(task_file, watching.detach(), attached.held, attached.warnings)


def _attaching(
    engine: Engine, container: Container, networks: Sequence[NetworkConfig]
) -> Attaching | None:
    if not container.endpoints:
        return None
    from plugrun.engine.networks.attaching import Attaching

    return Attaching(engine, container, networks)


def _create(
    engine: Engine,
    container: Container,
    plumbing: Plumbing,
    mounts: Sequence[Mount],
    attaching: Attaching | None,
) -> Task:
    isolation = engine.isolation_named(container.isolation.name)
    folder = engine.container_folder(container.id)

    def create() -> Task:
        early = EARLY_PID in isolation.capabilities and not _has_net_sysctls(container)
        if attaching is None or not early:
            return isolation.create(container.id, folder, plumbing.inner, mounts)
        making: Any = isolation.create
        made: Task = making(container.id, folder, plumbing.inner, mounts, named=attaching.begin)
        return made

    if container.namespaces == Namespaces() and not container.network.startswith(OF_CONTAINER):
        return create()
    from plugrun.engine.fence.joining import create_joined

    return create_joined(engine, container, create)


def _has_net_sysctls(container: Container) -> bool:
    """Whether its network is to be switched first: defaults are for later interfaces alone."""
    return any(name.startswith("net.") for name, _ in container.security.sysctls)


def note_failure(
    engine: Engine,
    container: Container,
    error: Exception,
    restarts: int = 0,
    before: ExitFile | None = None,
) -> None:
    """Leave the container as it was before, with the reason, as Docker does."""
    code = error.exit_code if isinstance(error, IsolationError) else 128
    ended = before or ExitFile(0, 0, 0)
    failed = replace(ended, exit_code=max(code, 126), error=str(error), restarts=restarts)
    write_exit_file(engine.container_folder(container.id), failed)


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
