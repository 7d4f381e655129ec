"""Containers by name, ID or the start of an ID, and what they do now."""

from __future__ import annotations

import os

from plugrun.engine.startfile import read_start_file
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, InvalidArgument, NoSuchContainer
from plugrun.model.container import CREATED, EXITED, PAUSED, RESTARTING, RUNNING, Status
from plugrun.model.record import replace
from plugrun.monitor.exitfile import ExitFile, read_exit_file
from plugrun.monitor.oom import oom_kills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container

_HEX = frozenset("0123456789abcdef")

# What a container's end is called when its monitor died before it: nobody saw the exit code.
UNSEEN = ExitFile(
    255, 0, 0, error="its monitor was killed or the machine restarted: its exit code was not seen"
)


def find_container(engine: Engine, text: str) -> Container:
    """Return the container that a user means: full ID, then name, then the start of an ID."""
    name = text.removeprefix("/")
    if not name:
        raise InvalidArgument("invalid container name or ID: value is empty")
    found = engine.metadata.container(name) or engine.metadata.container_named(name)
    if found is not None:
        return found
    if _HEX.issuperset(name):
        matches = engine.metadata.containers_by_prefix(name)
        if len(matches) > 1:
            raise Conflict(
                f"Multiple IDs found with provided prefix: {text}", hint="write more of it"
            )
        if matches:
            return matches[0]
    raise NoSuchContainer(f"No such container: {text}")


def find_running(engine: Engine, text: str) -> tuple[Container, Status]:
    """Return the container that a user means, and what it does; Conflict if it does not run.

    One that is paused does.
    """
    container = find_container(engine, text)
    now = status(engine, container)
    if now.state == RESTARTING:
        raise restarting(container)
    if not now.running:
        raise Conflict(f"Container {container.id} is not running")
    return container, now


def restarting(container: Container) -> Conflict:
    """Return what is said of a container between two of its lives, in Docker's words."""
    return Conflict(f"Container {container.id} is restarting, wait until the container is running")


def status(engine: Engine, container: Container) -> Status:
    """Return what a container does now, from its processes and its exit file."""
    found = status_of(engine, container.id)
    if found.state == EXITED and container.restart.name != "no":
        return _between_lives(engine, container, found)
    if not container.health.test or not found.running:
        return found
    from plugrun.engine.health.record import read_health

    health = read_health(engine, container, running=True)
    return found if health is None else replace(found, health=health.status)


def _between_lives(engine: Engine, container: Container, found: Status) -> Status:
    """Tell one that has ended for good from one whose monitor is about to start it again."""
    from plugrun.engine.restarting.rule import is_due, is_halted

    task = read_task_file(engine.task_folder(container.id))
    ended = read_exit_file(engine.container_folder(container.id))
    if task is None or ended is None or not task.attended:
        return found
    if task.running:
        return _running(task)
    if task.restarting:
        return replace(found, state=RESTARTING, restarts=task.restarts)
    if is_halted(engine, container.id) or not is_due(container.restart, ended, task.restarts):
        return found
    return replace(found, state=RESTARTING, restarts=task.restarts + 1)


def status_of(engine: Engine, id: str) -> Status:
    """Return what the container of a full ID does now."""
    task = read_task_file(engine.task_folder(id))
    if task is not None and task.running:
        return _running(task)
    ended = read_exit_file(engine.container_folder(id))
    if ended is not None:
        if task is not None and task.restarting and task.attended:
            return replace(_ended(ended), state=RESTARTING, restarts=task.restarts)
        return _ended(ended)
    if task is None:
        began = read_start_file(engine.container_folder(id))
        return Status(CREATED) if began is None else _ended(UNSEEN, began.started_ns or 1)
    if task.pid == 0:
        return Status(CREATED)
    if task.attended:
        # The monitor is about to write the exit file.
        return _running(task)
    # It may have written it and gone since the file was looked for above.
    ended = read_exit_file(engine.container_folder(id))
    return _ended(ended or UNSEEN, task.started_ns)


def _ended(ended: ExitFile, started_ns: int = 0) -> Status:
    never_ran = ended.started_ns == 0 and ended.error != "" and started_ns == 0
    return Status(
        CREATED if never_ran else EXITED,
        exit_code=ended.exit_code,
        started_ns=ended.started_ns or started_ns,
        finished_ns=ended.finished_ns,
        oom_killed=ended.oom_killed,
        error=ended.error,
        restarts=ended.restarts,
    )


def _running(task: TaskFile) -> Status:
    state = PAUSED if task.paused else RUNNING
    killed = oom_kills(task.oom_counter) > 0
    return Status(
        state, task.pid, started_ns=task.started_ns, oom_killed=killed, restarts=task.restarts
    )


def list_containers(engine: Engine, all: bool) -> Iterator[tuple[Container, Status]]:
    """Yield containers with what they do, newest first; only those with a process unless ``all``.

    Among any number of stopped ones, those that are served are found by their task folders alone.
    """
    if all:
        for container in engine.metadata.each_container():
            yield container, status(engine, container)
        return
    found = [engine.metadata.container(id) for id in _served(engine)]
    present = [container for container in found if container is not None]
    for container in sorted(present, key=lambda one: one.created_ns, reverse=True):
        doing = status(engine, container)
        if doing.state not in (CREATED, EXITED):
            yield container, doing


def _served(engine: Engine) -> list[str]:
    """Return the IDs of containers that some process serves, and perhaps of others."""
    try:
        return os.listdir(f"{engine.run_root}/containers")
    except FileNotFoundError:
        return []


def is_running(engine: Engine, id: str) -> bool:
    """Whether the container of a full ID runs."""
    return status_of(engine, id).running
