"""``start``, ``kill``, ``delete``, and what changes or tells of a task that lives."""

from __future__ import annotations

import os
import select

from plugrun.api import (
    CREATED,
    PAUSED,
    RUNNING,
    STOPPED,
    BackendUnavailable,
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    IsolationError,
    NoSuchContainer,
    cgroupfs,
    dumps,
    libc,
    loads,
    process,
)

from plugrun_isolation_oci.execution import Execution
from plugrun_isolation_oci.group import Group, refuse_impossible
from plugrun_isolation_oci.program import Refusal, Runtime, memory_file, path_of
from plugrun_isolation_oci.state import Facts, Folder
from plugrun_isolation_oci.words import failure, not_executed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.api import Stats

_SIGKILL = 9
_STATUS = {"creating": CREATED, CREATED: CREATED, RUNNING: RUNNING, PAUSED: PAUSED}


def status(runtime: Runtime, folder: Folder, facts: Facts) -> str:
    """Return the status: the kernel tells of an end, the runtime of the rest."""
    if not facts.alive:
        return STOPPED
    try:
        document = loads(runtime.ask("state", folder.id))
    except (Refusal, ValueError) as error:
        if not facts.alive:
            return STOPPED
        raise IsolationError(f"{runtime.name} state {folder.id}: {error}") from None
    return _STATUS.get(document.get("status", ""), STOPPED)


def start(runtime: Runtime, folder: Folder) -> None:
    """Let the waiting process go on, and return when its command has been executed."""
    lock = folder.lock()
    try:
        facts = folder.read()
        _demand(facts)
        execution = Execution(facts.pid)
        try:
            _start(runtime, folder, facts)
            reason = execution.failed()
        finally:
            execution.close()
    finally:
        os.close(lock)
    if reason:
        raise failure(not_executed(reason, facts.command), runtime.name, facts.command)


def _start(runtime: Runtime, folder: Folder, facts: Facts) -> None:
    try:
        runtime.tell("start", folder.id)
    except Refusal as refusal:
        # Some wait for the command to be executed, and say themselves why it was not.
        error = failure(refusal.reason, runtime.name, facts.command)
        now = status(runtime, folder, facts)
        if isinstance(error, (CommandNotFound, CommandNotExecutable)) or now == CREATED:
            raise error from None
        raise (_ended(now) if now == STOPPED else _conflict(folder, now, (CREATED,))) from None


def _demand(facts: Facts) -> None:
    if not facts.alive:
        raise _ended(STOPPED)


def _ended(now: str) -> Conflict:
    return Conflict(
        f"container is {now}, not {CREATED}",
        hint="if its command has never run: a limit of PIDs or memory is too low for the runtime, "
        "which begins within it",
    )


def _tell(
    runtime: Runtime, folder: Folder, facts: Facts, wanted: Sequence[str], *words: str
) -> None:
    """Call a verb; where it fails for want of one of the states ``wanted`` it is a Conflict."""
    try:
        runtime.tell(*words)
    except Refusal as refusal:
        now = status(runtime, folder, facts)
        if now not in wanted:
            raise _conflict(folder, now, wanted) from None
        raise failure(refusal.reason, runtime.name, "") from None


def _conflict(folder: Folder, now: str, wanted: Sequence[str]) -> Conflict:
    return Conflict(f"container {folder.id} is {now}, not {' or '.join(wanted)}")


def kill(runtime: Runtime, folder: Folder, signal: int, *, everyone: bool) -> None:
    """Send a signal; Conflict if the task has ended."""
    facts = folder.read()
    if not facts.alive:
        raise _conflict(folder, STOPPED, (CREATED, RUNNING, PAUSED))
    every = ("--all",) if everyone else ()
    lives = (CREATED, RUNNING, PAUSED)
    _tell(runtime, folder, facts, lives, "kill", *every, folder.id, str(signal))
    if signal == _SIGKILL:
        # Frozen, it would not even die; killed first, it gets to do nothing else.
        Group(facts.cgroup).thaw()


def delete(runtime: Runtime, folder: Folder, *, force: bool) -> None:
    """Remove what is left of a task; every step can be repeated."""
    lock = folder.lock()
    try:
        if not os.path.isdir(folder.path):
            raise NoSuchContainer(f"no such container: {folder.id}")
        facts = folder.read()
        if facts.alive and not force:
            now = status(runtime, folder, facts)
            raise Conflict(f"container {folder.id} is {now}", hint="stop it, or use force")
        remove_traces(runtime, folder, facts)
    finally:
        os.close(lock)


def remove_traces(runtime: Runtime, folder: Folder, facts: Facts) -> None:
    """End a task and whoever was making it, and remove all that is left.

    The kernel is asked for what must be certain, the runtime for what it knows alone (its own
    state, hooks); so it works too when the runtime has been removed or was killed at its work.
    """
    _end(facts.maker, facts.maker_started)
    if facts.cgroup:
        group = Group(facts.cgroup)
        _end(facts.pid, facts.started, group)
        _forget(runtime, folder)
        group.destroy()
    folder.remove()


def _forget(runtime: Runtime, folder: Folder) -> None:
    if not os.path.isdir(folder.own):
        return
    try:
        runtime.tell("delete", "--force", folder.id)
    except (Refusal, BackendUnavailable):
        return  # what it would have removed is removed below, as far as it can be known


def _end(pid: int, started: int, group: Group | None = None) -> None:
    """Kill one process, if it is still the same, and wait until it has ended."""
    fd = cgroupfs.open_process(pid) if pid else -1
    if fd < 0:
        return
    try:
        # The pidfd is of whoever has the PID now; if the start time fits, that is the one.
        if process.is_alive(pid, started):
            libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, fd, _SIGKILL, None, 0)
            if group is not None:
                group.thaw()
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll()
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def pause(runtime: Runtime, folder: Folder) -> None:
    """Stop every process; Conflict unless the task runs."""
    _change(runtime, folder, RUNNING, "pause")


def resume(runtime: Runtime, folder: Folder) -> None:
    """Wake every process; Conflict unless the task is paused."""
    _change(runtime, folder, PAUSED, "resume")


def _change(runtime: Runtime, folder: Folder, wanted: str, verb: str) -> None:
    lock = folder.lock()
    try:
        facts = folder.read()
        now = status(runtime, folder, facts)
        if now != wanted:
            raise _conflict(folder, now, (wanted,))
        _tell(runtime, folder, facts, (wanted,), verb, folder.id)
    finally:
        os.close(lock)


# What runtimes change of a container that lives; the rest they leave out without a word.
_CHANGEABLE = {
    "memory": ("limit", "swap", "reservation"),
    "cpu": ("shares", "quota", "period", "realtimeRuntime", "realtimePeriod", "cpus", "mems"),
    "pids": ("limit",),
    "blockIO": ("weight",),
}


def update(runtime: Runtime, folder: Folder, resources: dict[str, Any]) -> None:
    """Change limits; Conflict if the task has ended."""
    lock = folder.lock()
    try:
        facts = folder.read()
        if not facts.alive:
            raise _conflict(folder, STOPPED, (CREATED, RUNNING, PAUSED))
        refuse_impossible(resources)
        _refuse_fixed(runtime, resources)
        _update(runtime, folder, facts, resources)
    finally:
        os.close(lock)


def _refuse_fixed(runtime: Runtime, resources: dict[str, Any]) -> None:
    for key, value in resources.items():
        known = _CHANGEABLE.get(key, ())
        for name in value if known else ():
            if name not in known:
                raise _fixed(runtime, f"{key}.{name}")
        if value and not known:
            raise _fixed(runtime, key)


def _fixed(runtime: Runtime, limit: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{runtime.name} cannot change the limit {limit} of a container that is there",
        hint="make the container anew with it",
    )


def _update(runtime: Runtime, folder: Folder, facts: Facts, resources: dict[str, Any]) -> None:
    lives = (CREATED, RUNNING, PAUSED)
    config = folder.read_config()
    before = config["linux"].get("resources") or {}
    try:
        _apply(runtime, folder, facts, lives, resources)
    except IsolationError:
        _apply(runtime, folder, facts, lives, _as_before(resources, before))
        raise
    after = {**before}
    for key, value in resources.items():
        after[key] = {**(before.get(key) or {}), **value}
    config["linux"]["resources"] = after
    folder.write_config(config)


def _apply(
    runtime: Runtime, folder: Folder, facts: Facts, lives: Sequence[str], wanted: dict[str, Any]
) -> None:
    document = memory_file("resources", dumps(wanted).encode())
    try:
        words = ("update", "--resources", path_of(document), folder.id)
        _tell(runtime, folder, facts, lives, *words)
    finally:
        os.close(document)


# What the kernel has where nothing was asked for.
_UNASKED = {"shares": 1024, "period": 100000, "weight": 500, "cpus": "", "mems": ""}


def _as_before(wanted: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return the limits that take back what an update may have changed before it failed."""
    return {
        key: {name: (before.get(key) or {}).get(name) or _UNASKED.get(name, -1) for name in values}
        for key, values in wanted.items()
    }


def stats(folder: Folder) -> Stats:
    """Return what the task uses; Conflict if it has ended."""
    return _living(folder).stats()


def processes(folder: Folder) -> tuple[int, ...]:
    """Return the PIDs of the task; Conflict if it has ended."""
    return _living(folder).processes()


def _living(folder: Folder) -> Group:
    facts = folder.read()
    if not facts.alive:
        raise _conflict(folder, STOPPED, (CREATED, RUNNING, PAUSED))
    return Group(facts.cgroup)
