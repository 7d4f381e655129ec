"""Control groups as the kernel has them: what is mounted, who is in a group, how it is emptied.

A group is a folder in each of one or more hierarchies (cgroups(7)). Who makes it, limits it and
puts processes into it is an isolation's own business.
"""

from __future__ import annotations

import errno
import os
import select
import time

from plugrun.errors import IsolationError
from plugrun.linux import libc
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# Mount options of a v1 hierarchy that name no controller.
_OPTIONS = frozenset(
    ("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods")
)
_SIGKILL = 9
_ROUNDS = 200


@record
class Hierarchy:
    """One mounted hierarchy: v2 (``unified``), or v1 with the controllers mounted together."""

    mountpoint: str
    unified: bool
    controllers: tuple[str, ...]


def hierarchies() -> tuple[Hierarchy, ...]:
    """Return the cgroup hierarchies that are mounted: proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", "rb") as stream:
        lines = stream.read().decode("utf-8", "surrogateescape").splitlines()
    found: dict[tuple[bool, tuple[str, ...]], Hierarchy] = {}
    for line in lines:
        left, _, right = line.partition(" - cgroup")
        if not right:
            continue
        mountpoint = left.split(" ")[4].replace("\\040", " ")
        unified = right.startswith("2 ")
        options = right.split(" ")[-1].split(",")
        names = () if unified else _controllers(options)
        found.setdefault((unified, names), Hierarchy(mountpoint, unified, names))
    return tuple(found.values())


def _controllers(options: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        option
        for option in options
        if option not in _OPTIONS and not option.startswith("release_agent=")
    )


def processes(paths: Sequence[str]) -> frozenset[int]:
    """Return the processes in a group's folders and the groups beneath them."""
    found: set[int] = set()
    for path in paths:
        for folder, _, _ in os.walk(path):
            found.update(read_pids(folder))
    return frozenset(found - {0})


def kill(paths: Sequence[str], thaw: Callable[[], None]) -> None:
    """Kill every process of a group and wait until they have ended; ``thaw`` wakes frozen ones."""
    for _ in range(_ROUNDS):
        pids = processes(paths)
        if not pids:
            return
        # All are signalled before any is waited for, the oldest first: a shell whose child
        # was killed must not get to end by itself. Frozen ones end when they are woken.
        killed = [_kill(pid) for pid in sorted(pids)]
        thaw()
        for fd in killed:
            _wait(fd)
    raise IsolationError(f"processes in cgroup {paths[0]} cannot be killed")


def remove(paths: Sequence[str], kill: Callable[[], None], kept: Sequence[str] = ()) -> None:
    """Remove a group's folders, after ``kill`` if processes are in it; gone is no error.

    Of those that are ``kept`` only what is beneath them is removed.
    """
    for path in paths:
        if path in kept:
            kill()
            _remove_tree(path, keep=True)
        elif not _rmdir(path):
            kill()
            _remove_tree(path)


def read_pids(folder: str) -> list[int]:
    """Return the processes of one folder; none if it is gone."""
    try:
        with open(os.path.join(folder, "cgroup.procs"), "rb") as stream:
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        return []


def open_process(pid: int) -> int:
    """Return a pidfd, or -1 if the process is no more.

    A number that only a session or process group still bears is EINVAL or, since Linux 6.16,
    ENOENT: its process has been reaped (pidfd_open(2)).
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return -1
        raise


def _kill(pid: int) -> int:
    """Kill a process; return a descriptor to wait for its end by, or -1 if it has gone."""
    fd = open_process(pid)
    if fd < 0:
        return -1
    try:
        libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, fd, _SIGKILL, None, 0)
    except ProcessLookupError:
        os.close(fd)
        return -1
    return fd


def _wait(fd: int) -> None:
    """Wait for the end of a process that was killed, and close its descriptor."""
    if fd < 0:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(5000)
    finally:
        os.close(fd)


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True


def _remove_tree(path: str, *, keep: bool = False) -> None:
    """Remove a group, or keep it, and those that the container made beneath it.

    A group may be busy for a moment after its last process has ended: the kernel takes the
    process out after it has told the waiters, and v1 has no file that tells when.
    """
    folders = [folder for folder, _, _ in os.walk(path, topdown=False)]
    for folder in folders[: len(folders) - keep]:
        for attempt in range(_ROUNDS):
            if _rmdir(folder):
                break
            time.sleep(0.0005 * min(attempt + 1, 20))
        else:
            raise IsolationError(f"cgroup {folder} stays busy and cannot be removed")
