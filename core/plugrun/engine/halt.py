"""Keep a container from being started again by its restart policy: before it is ended."""

from __future__ import annotations

import os

from plugrun.engine.places import halt_path
from plugrun.engine.taskfile import read_task_file, serve_lock
from plugrun.linux.filesystem import write_whole
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container


def halt(engine: Engine, container: Container, *, keep: bool = False) -> TaskFile | None:
    """Mark that a user ends a container; return who serves it, None if nobody does.

    A monitor that waits to start it again is woken, and ends. With ``keep`` a container that
    is removed by its end is not, this time. Whoever is starting the container is waited for.
    """
    with engine.locks.exclusive(serve_lock(container.id)):
        task = read_task_file(engine.task_folder(container.id))
        if task is None:
            return None
        lives = task.pid != 0 or task.restarting
        if lives and (keep or container.restart.name != "no"):
            write_whole(halt_path(engine, container.id), b"keep" if keep else b"")
        if task.restarting and task.attended:
            _wake(task)
    return task


def comes_back(engine: Engine, container: Container, task: TaskFile) -> bool:
    """Whether the monitor of one that has ended waits, or may be about to, to start it again."""
    if task.restarting or container.restart.name == "no":
        return task.restarting and task.attended
    return task.attended and not os.path.exists(halt_path(engine, container.id))


def is_kept(engine: Engine, id: str) -> bool:
    """Whether ``halt`` was asked to keep a container that its end would remove."""
    try:
        with open(halt_path(engine, id), "rb") as file:
            return file.read() == b"keep"
    except FileNotFoundError:
        return False


def _wake(task: TaskFile) -> None:
    """Wake a monitor that waits; it goes on once it gets the lock that is held here."""
    try:
        fd = os.pidfd_open(task.monitor)
    except OSError:
        return
    try:
        signals.pidfd_send_signal(fd, signals.SIGTERM)
    finally:
        os.close(fd)
