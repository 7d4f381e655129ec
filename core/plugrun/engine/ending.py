"""Wait for containers to end, and make them."""

from __future__ import annotations

import errno
import os
import select

from plugrun.engine.containers import UNSEEN
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.linux.alive import start_time
from plugrun.linux.signalnames import signal_number
from plugrun.linux.signals import raw as signals
from plugrun.model.record import replace
from plugrun.monitor.exitfile import read_exit_file, write_exit_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container

# More seconds than poll(2) can wait (24 days) are as good as for ever.
_LONGEST_WAIT = ((1 << 31) - 1) / 1000


def send_signal(engine: Engine, container: Container, number: int) -> bool:
    """Signal a container's first process; False if it has ended meanwhile.

    As in Docker, a signal that is to end a paused container wakes it: its own stop signal, or
    any signal if it has none of its own.
    """
    isolation = engine.isolation_named(container.isolation.name)
    try:
        isolation.kill(container.id, number)
    except (Conflict, NoSuchContainer):
        return False
    task = read_task_file(engine.task_folder(container.id))
    if task is not None and task.paused and _ends(container, number):
        try:
            isolation.resume(container.id)
        except (Conflict, NoSuchContainer):
            return True  # woken by another, or it has ended of it
        engine.emit_container("unpause", container)
    return True


def _ends(container: Container, number: int) -> bool:
    return container.stop_signal == "SIGTERM" or number == signal_number(container.stop_signal)


def wait_ended(task: TaskFile, seconds: float | None) -> bool:
    """Wait until a container's first process has ended; False if time ran out before it."""
    return _wait_process(task.pid, task.started, seconds)


def wait_monitor(task: TaskFile, seconds: float | None) -> bool:
    """Wait until a container's monitor has ended; False if time ran out before it."""
    return _wait_process(task.monitor, task.monitor_started, seconds)


def wait_attended(engine: Engine, container: Container, task: TaskFile) -> None:
    """Wait until the monitor has cleaned up after a container that has ended.

    If the monitor died before that, do it here.
    """
    _wait_process(task.monitor, task.monitor_started, None)
    left = read_task_file(engine.task_folder(container.id))
    if left is None:
        return
    from plugrun.engine.tidy import forget_task, release, tidy

    if left.pid == 0:
        # There was no process yet, or (while it waited to be started again) no more.
        release(engine, container)
        forget_task(engine, container.id)
        return
    folder = engine.container_folder(container.id)
    if task.pid and os.path.isdir(folder) and read_exit_file(folder) is None:
        write_exit_file(folder, replace(UNSEEN, started_ns=task.started_ns))
    tidy(engine, container)


def end_now(engine: Engine, container: Container, task: TaskFile) -> None:
    """Kill a container and wait until it is cleaned up."""
    send_signal(engine, container, signals.SIGKILL)
    wait_ended(task, None)
    wait_attended(engine, container, task)


def _wait_process(pid: int, started: int, seconds: float | None) -> bool:
    if pid == 0:
        return True
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        # EINVAL, since Linux 6.16 ENOENT: reaped, and its number names a session or group still.
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return True
        raise
    try:
        if start_time(pid) != started:
            return True
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        if seconds is not None and seconds > _LONGEST_WAIT:
            seconds = None
        return bool(waiting.poll(None if seconds is None else seconds * 1000))
    finally:
        os.close(fd)
