"""``start``, ``kill``, ``delete``, and what changes or tells of a task that lives."""

from __future__ import annotations

import os
import select

from plugrun.api import (
    CREATED,
    PAUSED,
    RUNNING,
    STOPPED,
    Conflict,
    IsolationError,
    NoSuchContainer,
    cgroupfs,
    libc,
    process,
)

from plugrun_isolation_ns.cgroups import Cgroup
from plugrun_isolation_ns.command import execution_error
from plugrun_isolation_ns.state import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from plugrun.api import Stats

_SIGKILL = 9


def start(folder: Folder) -> None:
    """Let the waiting process go on, and return when its command has been executed."""
    lock = folder.lock()
    try:
        facts = folder.read()
        status = folder.status(facts)
        if status != CREATED:
            raise Conflict(f"container {folder.id} is {status}, and cannot be started")
        result = os.open(folder.status_fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        starter = folder.open_start()
        if starter < 0:
            raise Conflict(f"container {folder.id} ended before it was started")
        os.write(starter, b"\n")
        os.close(starter)
        error = _read_to_end(result)
    finally:
        os.close(lock)
    _raise_start_error(error, facts)
    _run_poststart(folder, facts)


def _raise_start_error(error: bytes, facts: dict[str, Any]) -> None:
    number = int.from_bytes(error[:4], "little")
    if number:
        raise execution_error(number, facts.get("command", ""))
    if error:
        raise IsolationError(error[4:].decode("utf-8", "replace"))


def _run_poststart(folder: Folder, facts: dict[str, Any]) -> None:
    """Run the hooks that follow the command's start; one that fails ends the container."""
    if not facts.get("hooks"):
        return
    from plugrun.api import runtimespec

    from plugrun_isolation_ns.hooks import POSTSTART, run_hooks, state_document

    spec, bundle = runtimespec.read_spec(facts["bundle"]), facts["bundle"]
    try:
        run_hooks(
            spec, (POSTSTART,), state_document(folder.id, RUNNING, facts["pid"], bundle, spec)
        )
    except IsolationError:
        try:
            kill(folder, _SIGKILL, everyone=True)
        except Conflict:
            pass  # it has ended by itself
        raise


def _run_poststop(folder: Folder, facts: dict[str, Any], warn: Callable[[str], None]) -> None:
    """Run the hooks that follow a container's deletion; nothing depends on them any more."""
    if not facts.get("hooks"):
        return
    from plugrun.api import runtimespec

    from plugrun_isolation_ns.hooks import POSTSTOP, run_hooks_to_the_end, state_document

    bundle = facts["bundle"]
    try:
        spec = runtimespec.read_spec(bundle)
    except IsolationError as error:
        warn(f"poststop hooks: {error.message}")
        return
    state = state_document(folder.id, STOPPED, 0, bundle, spec)
    run_hooks_to_the_end(spec, POSTSTOP, state, warn)


def _warn(message: str) -> None:
    """Tell on the standard error, where there is one."""
    try:
        os.write(2, f"plugrun: warning: {message}\n".encode())
    except OSError:
        return


def _read_to_end(fd: int) -> bytes:
    os.set_blocking(fd, True)
    parts = b""
    while part := os.read(fd, 64):
        parts += part
    os.close(fd)
    return parts


def open_task(facts: dict[str, Any]) -> int:
    """Return a pidfd of the task's first process, or -1 if it has ended or another has its PID."""
    fd = cgroupfs.open_process(facts["pid"]) if facts["pid"] else -1
    if fd < 0:
        return -1
    # The pidfd is of whoever has the PID now; if the start time fits, that is the one.
    if process.is_alive(facts["pid"], facts["started"]):
        return fd
    os.close(fd)
    return -1


def kill(folder: Folder, signal: int, *, everyone: bool) -> None:
    """Send a signal; Conflict if the task has ended."""
    facts = folder.read()
    fd = open_task(facts)
    if fd < 0:
        raise Conflict(f"container {folder.id} is {STOPPED}")
    try:
        if everyone:
            _signal_all(reopen(facts), signal)
        else:
            libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, fd, signal, None, 0)
            if signal == _SIGKILL:
                # Frozen, it would not even die; killed first, it gets to do nothing else.
                reopen(facts).thaw()
    except ProcessLookupError:
        raise Conflict(f"container {folder.id} is {STOPPED}") from None
    finally:
        os.close(fd)


def _signal_all(cgroup: Cgroup, signal: int) -> None:
    if signal == _SIGKILL:
        cgroup.kill()
        return
    for pid in cgroup.processes():
        try:
            os.kill(pid, signal)
        except ProcessLookupError:
            continue


def reopen(facts: dict[str, Any]) -> Cgroup:
    """Return the cgroup that a task's state names, whatever the machine has mounted since."""
    noted = facts["cgroup"]
    if noted.get("version") == "v2":
        from plugrun_isolation_ns.cgroups.v2 import CgroupV2

        return CgroupV2.of_facts(noted)
    from plugrun_isolation_ns.cgroups.v1 import CgroupV1

    return CgroupV1.of_facts(noted)


def delete(folder: Folder, *, force: bool, warn: Callable[[str], None] = _warn) -> None:
    """Remove what is left of a task; every step can be repeated. Poststop hooks come last."""
    lock = folder.lock()
    try:
        if not os.path.isdir(folder.path):
            raise NoSuchContainer(f"no such container: {folder.id}")
        facts = folder.read()
        fd = open_task(facts)
        if fd >= 0:
            try:
                _end(folder, facts, fd, force=force)
            finally:
                os.close(fd)
        reopen(facts).destroy()
        folder.remove()
    finally:
        os.close(lock)
    _run_poststop(folder, facts, warn)


def _end(folder: Folder, facts: dict[str, Any], fd: int, *, force: bool) -> None:
    if not force:
        status = folder.status(facts)
        raise Conflict(f"container {folder.id} is {status}", hint="stop it, or use force")
    libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, fd, _SIGKILL, None, 0)
    reopen(facts).thaw()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll()


def pause(folder: Folder) -> None:
    """Stop every process; Conflict unless the task runs."""
    lock = folder.lock()
    try:
        facts = folder.read()
        _demand(folder, facts, RUNNING)
        reopen(facts).freeze()
    finally:
        os.close(lock)


def resume(folder: Folder) -> None:
    """Wake every process; Conflict unless the task is paused."""
    lock = folder.lock()
    try:
        facts = folder.read()
        _demand(folder, facts, PAUSED)
        reopen(facts).thaw()
    finally:
        os.close(lock)


def update(folder: Folder, resources: dict[str, Any]) -> None:
    """Change limits; Conflict if the task has ended."""
    lock = folder.lock()
    try:
        facts = folder.read()
        _demand(folder, facts, CREATED, RUNNING, PAUSED)
        reopen(facts).update(resources)
    finally:
        os.close(lock)


def stats(folder: Folder) -> Stats:
    """Return what the task uses; Conflict if it has ended."""
    facts = folder.read()
    _demand(folder, facts, CREATED, RUNNING, PAUSED)
    return reopen(facts).stats()


def processes(folder: Folder) -> tuple[int, ...]:
    """Return the PIDs of the task; Conflict if it has ended."""
    facts = folder.read()
    _demand(folder, facts, CREATED, RUNNING, PAUSED)
    return tuple(sorted(reopen(facts).processes()))


def _demand(folder: Folder, facts: dict[str, Any], *wanted: str) -> None:
    status = folder.status(facts)
    if status not in wanted:
        raise Conflict(f"container {folder.id} is {status}, not {' or '.join(wanted)}")
