"""A restart policy at work: what becomes of a container that has ended.

Done by the clean-up program, in the monitor's place and as the parent of what it starts: so the
container keeps its monitor's PID through all its lives. The rules and the times are Docker's:
100 ms before the first start, twice as long before each one more, a minute at most, and from the
beginning again after ten seconds of running.
"""

from __future__ import annotations

import os

from plugrun.engine.attaching.door import open_door
from plugrun.engine.begin import begin, note_failure
from plugrun.engine.create import write_bundle
from plugrun.engine.plumbing import lay
from plugrun.engine.restarting.rule import is_due, is_halted
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.taskfile import read_task_file, serve_lock, write_task_file
from plugrun.engine.tidy import forget_task, release, tell_death, tidy
from plugrun.engine.watching import watch_plan
from plugrun.errors import PlugrunError
from plugrun.linux.signals import raw as signals
from plugrun.model.record import replace
from plugrun.monitor.exitfile import read_exit_file, write_exit_file
from plugrun.monitor.relaunch import become_lean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.taskfile import TaskFile
    from plugrun.model.container import Container
    from plugrun.model.network import NetworkConfig
    from plugrun.monitor.exitfile import ExitFile

FIRST_MS = 100
LONGEST_MS = 60_000
STEADY_NS = 10 * 10**9

# Sent by whoever halts a container while it waits to be started again.
WAKE = signals.SIGTERM


def next_delay(before_ms: int, ended: ExitFile) -> int:
    """Return the milliseconds to wait, from those waited the time before (0: there was none)."""
    if before_ms == 0 or ended.finished_ns - ended.started_ns >= STEADY_NS:
        return FIRST_MS
    return min(2 * before_ms, LONGEST_MS)


def follow_policy(engine: Engine, container: Container) -> None:
    """Clean up after a container, and start it again if that is due; does not return then."""
    signals.pthread_sigmask(signals.SIG_BLOCK, (WAKE,))
    task = _announce(engine, container)
    if task is None:
        tidy(engine, container)
        return
    release(engine, container)
    tell_death(engine, container)
    _reap()
    # Not by a poll of files: halting it sends the signal, under the lock.
    signals.sigtimedwait((WAKE,), task.delay_ms / 1000)
    with engine.locks.exclusive(serve_lock(container.id)):
        found = engine.metadata.container(container.id)
        if found is None or is_halted(engine, container.id):
            _give_up(engine, container, task)
            return
        # Nobody has sent it, or the mark would be there; the container must not inherit it.
        signals.pthread_sigmask(signals.SIG_UNBLOCK, (WAKE,))
        _start(engine, found, task)


def _announce(engine: Engine, container: Container) -> TaskFile | None:
    """Say that it is about to be started again; None if it is not."""
    with engine.locks.exclusive(serve_lock(container.id)):
        task = read_task_file(engine.task_folder(container.id))
        ended = read_exit_file(engine.container_folder(container.id))
        if task is None or ended is None or is_halted(engine, container.id):
            return None
        if not is_due(container.restart, ended, task.restarts):
            return None
        waiting = replace(
            task,
            pid=0,
            started=0,
            restarts=task.restarts + 1,
            delay_ms=next_delay(task.delay_ms, ended),
            restarting=True,
        )
        write_task_file(engine.task_folder(container.id), waiting)
        return waiting


def _give_up(engine: Engine, container: Container, task: TaskFile) -> None:
    """Leave it as it ended; the start that was announced counts, as in Docker."""
    folder = engine.container_folder(container.id)
    ended = read_exit_file(folder)
    if ended is not None:
        write_exit_file(folder, replace(ended, restarts=task.restarts))
    forget_task(engine, container.id)


def _start(engine: Engine, container: Container, task: TaskFile) -> None:
    try:
        networks = _claim(engine, container, task)
        write_bundle(engine, container)
        engine.close_metadata()
        plumbing = lay(terminal=container.tty, interactive=container.open_stdin)
        door = open_door(engine, container.id)
        begun = begin(engine, container, plumbing, Stopwatch(), task, networks)
    except (PlugrunError, OSError):
        # The reason is in the exit file; as with Docker, that was the last try.
        forget_task(engine, container.id)
        return
    become_lean(watch_plan(engine, container, plumbing, begun, door=door))


def _claim(engine: Engine, container: Container, task: TaskFile) -> tuple[NetworkConfig, ...]:
    """Return its networks; if one was removed meanwhile, that is how it ended."""
    if not container.endpoints:
        return ()
    from plugrun.engine.networks.attach import claim_networks

    try:
        return claim_networks(engine, container)
    except PlugrunError as error:
        before = read_exit_file(engine.container_folder(container.id))
        note_failure(engine, container, error, task.restarts, before)
        raise


def _reap() -> None:
    """Reap what showed late output of the life before."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
