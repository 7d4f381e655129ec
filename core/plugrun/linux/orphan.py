"""Programs that outlive whoever started them: nobody's child, in a session of their own."""

from __future__ import annotations

import ctypes
import errno
import os

from plugrun.errors import PlugrunError
from plugrun.linux import process

_LAST_SIGNAL = 64
_NOT_CHANGED = (9, 19, 32, 33)  # SIGKILL, SIGSTOP, and two that glibc keeps for itself


def spawn_orphan(argv: tuple[str, ...], descriptors: tuple[int, int, int]) -> None:
    """Start a program as an orphan, by a process between that ends at once.

    It gets three descriptors as 0, 1 and 2 and no others, a session of its own, default signals,
    this process's namespaces and cgroups, and of its environment PATH. This process must have one
    thread. PlugrunError if the program cannot be executed.

    An orphan goes to the nearest subreaper; this process may be one, and would have to reap it.
    """
    reaping = ctypes.c_int()
    process.prctl(process.PR_GET_CHILD_SUBREAPER, ctypes.addressof(reaping))
    if reaping.value:
        process.prctl(process.PR_SET_CHILD_SUBREAPER, 0)
    try:
        between = os.fork()
        if between == 0:
            code = errno.EIO
            try:
                code = _spawn(argv, descriptors)
            finally:
                os._exit(code)
        code = _exit_code(between)
    finally:
        if reaping.value:
            process.prctl(process.PR_SET_CHILD_SUBREAPER, 1)
    if code:
        why = os.strerror(code).lower() if code > 0 else f"signal {-code}"
        raise PlugrunError(f"{argv[0]} cannot be executed: {why}")


def _exit_code(child: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:
        return 0  # the caller ignores SIGCHLD, or has a handler that reaped it


def _spawn(argv: tuple[str, ...], descriptors: tuple[int, int, int]) -> int:
    """Execute the program with three descriptors; return an errno, or 0."""
    os.setsid()
    os.chdir("/")
    for target, fd in enumerate(above(2, *descriptors)):
        os.dup2(fd, target)
    process.close_range(3)
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    usual = [number for number in range(1, _LAST_SIGNAL + 1) if number not in _NOT_CHANGED]
    try:
        os.posix_spawn(argv[0], argv, environment, setsigmask=(), setsigdef=usual)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def above(lowest: int, *fds: int) -> tuple[int, ...]:
    """Return copies of descriptors that lie above those they are about to become."""
    import fcntl

    return tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest + 1) for fd in fds)
