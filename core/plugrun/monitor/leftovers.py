"""What a container's first process leaves behind in a PID namespace that is not its own.

In its own namespace all processes end with the first (pid_namespaces(7)). In another's they would
go on, and hold the container's output open.
"""

from __future__ import annotations

import posix
import time

_SIGKILL = 9
_ROUNDS = 500
_PAUSE = 0.001


def end_leftovers(file: str) -> None:
    """Kill all processes of a cgroup, named by any of its files; return when they have ended.

    It can be done without where there is no cgroup: then it lasts until they end by themselves.
    """
    folder = file.rpartition("/")[0]
    for _ in range(_ROUNDS):
        pids = _processes(folder)
        if not pids:
            return
        for pid in pids:
            try:
                posix.kill(pid, _SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_PAUSE)


def _processes(folder: str) -> list[int]:
    try:
        fd = posix.open(f"{folder}/cgroup.procs", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return []
    found = b""
    try:
        while data := posix.read(fd, 65536):
            found += data
    except OSError:
        return []  # ENODEV: the group has been removed
    finally:
        posix.close(fd)
    return [int(pid) for pid in found.split()]
