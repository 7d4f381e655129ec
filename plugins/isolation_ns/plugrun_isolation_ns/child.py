"""What the two new processes of ``create`` and ``exec`` have in common.

The caller forks *stage 1*, which enters namespaces and clones the process that becomes the
container's, as a sibling of itself (CLONE_PARENT): it is the caller's child from the start, and
stage 1 can end. Both report to the caller through one pipe, a line a message::

    P<pid>                       from stage 1: the PID as the caller sees it
    H                            the hooks that come before the new root are due (create)
    R                            everything is ready (create)
    E["Class", message, hint]    it failed

``create`` answers through a second pipe: the seccomp filter, with a length before it, when the
cgroups are there; to H the PID, four bytes, when the hooks have run; to R of a container that is
to outlive its creator one byte, when its state is written. Its end of file means: give up.

The two write without waiting for each other, so P may come after what the other has to say
(``pid_first``).

The end of file without R or E means that it died, or for ``exec`` that it was executed.
"""

from __future__ import annotations

# ``signal`` would load ``enum``; its C half has all that is needed.
import _signal  # type: ignore[import-not-found]
import ctypes
import fcntl
import gc
import os
import stat
import sys

from plugrun.api import (
    BackendUnavailable,
    CannotMount,
    CommandNotExecutable,
    CommandNotFound,
    Corrupt,
    IsolationError,
    NoSpace,
    PlugrunError,
    dumps,
    libc,
    loads,
    process,
)

from plugrun_isolation_ns.arch import SYS_CLONE3, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from plugrun.api import Stdio

_SIGCHLD = 17
_TIOCSCTTY = 0x540E  # from here, because termios may no longer be imported
_SIGKILL = 9
_PR_GET_NAME = 16
_CLONE_PARENT = 0x00008000
_CLONE_INTO_CGROUP = 0x200000000
_ERRORS = (
    BackendUnavailable,
    CannotMount,
    CommandNotExecutable,
    CommandNotFound,
    Corrupt,
    IsolationError,
    NoSpace,
)


def fork(body: Callable[[], None], report: int) -> int:
    """Fork; the child runs ``body`` and ends, whatever happens, without coming back."""
    pid = os.fork()
    if pid:
        return pid
    # A collection would write to every object, and so copy every page shared with the caller.
    gc.disable()
    run(body, report)
    raise AssertionError("unreachable")


def run(body: Callable[[], None], report: int) -> None:
    """Run ``body`` and end this process; an exception goes into the report."""
    try:
        body()
        os._exit(0)
    except Exception as error:  # noqa: BLE001  (a child must never return to the caller's code)
        _report_error(report, error)
    finally:
        os._exit(1)


def clone_sibling(cgroup: int = -1) -> int:
    """Clone this process as a child of its own parent, with ``cgroup`` into that v2 cgroup.

    Unlike os.fork this is the bare system call: this process must have one thread. ctypes keeps
    the interpreter's lock across it (PyDLL), so the child's one thread holds it.
    """
    bare = ctypes.PyDLL(None, use_errno=True)
    if cgroup < 0:
        flags = ctypes.c_long(_CLONE_PARENT | _SIGCHLD)
        zeros = [ctypes.c_long(0)] * 4
        return libc.check(bare.syscall(ctypes.c_long(number("clone")), flags, *zeros), "clone")
    # struct clone_args of clone3(2): flags first, cgroup last. The exit signal is the parent's.
    args = (ctypes.c_uint64 * 11)(_CLONE_PARENT | _CLONE_INTO_CGROUP, *[0] * 9, cgroup)
    size = ctypes.c_long(ctypes.sizeof(args))
    return libc.check(bare.syscall(ctypes.c_long(SYS_CLONE3), args, size), "clone3")


def step(name: str) -> None:
    """Say what this process is about to do, in 15 bytes at most: PR_SET_NAME(2const).

    The kernel keeps the name of one that has ended, so whoever reaps it can say where it died,
    whatever it died of; and it costs nobody a message.
    """
    libc.LIBC.prctl(process.PR_SET_NAME, name.encode(), 0, 0, 0)


def _own_step() -> str:
    name = ctypes.create_string_buffer(16)
    libc.LIBC.prctl(_PR_GET_NAME, name, 0, 0, 0)
    return name.value.decode("utf-8", "replace")


def end_of(pid: int) -> str:
    """Say in which step a child has ended, and how; it is still there to be reaped."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with open(f"/proc/{pid}/comm", "rb", 0) as stream:
            name = stream.read().decode("utf-8", "replace").strip()
    except (ChildProcessError, FileNotFoundError):
        return "nobody saw how"  # the caller's own handler of SIGCHLD has reaped it
    if found is None or found.si_code == os.CLD_EXITED:
        return f"it ended in the step '{name}'"
    return f"signal {found.si_status} ended it in the step '{name}'"


def die_with_parent() -> None:
    """Be killed when the thread that forked this process ends.

    A change of user or capabilities clears this (PR_SET_PDEATHSIG(2const)): call it again then,
    and write to the report pipe after it, which fails if the parent was already gone.
    """
    process.prctl(process.PR_SET_PDEATHSIG, _SIGKILL)


def live_on() -> None:
    """Undo die_with_parent."""
    process.prctl(process.PR_SET_PDEATHSIG, 0)


def hide() -> None:
    """Keep processes of the container from tracing this one, or reading its memory and links.

    It comes before any namespace is entered (CVE-2016-9962); execve undoes it.
    """
    process.prctl(process.PR_SET_DUMPABLE, 0)


def reset_signals() -> None:
    """Restore what Python or the caller changed: execve(2) keeps ignored and blocked signals."""
    for number_ in range(1, _signal.NSIG):
        if number_ not in (9, 19, 32, 33):  # KILL, STOP and glibc's own
            _signal.signal(number_, 0)
    _signal.pthread_sigmask(2, ())  # SIG_SETMASK


def pipe(lowest: int = 4) -> tuple[int, int]:
    """Make a pipe whose ends are ``lowest`` or higher, close-on-exec.

    Not 3: that is the trampoline's status descriptor later on.
    """
    reader, writer = os.pipe()
    return above(reader, lowest), above(writer, lowest)


def above(fd: int, lowest: int = 3) -> int:
    """Return the descriptor moved to ``lowest`` or higher."""
    if fd >= lowest:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
    os.close(fd)
    return int(moved)


def close_others(*keep: int) -> None:
    """Close every descriptor but those named."""
    first = 0
    for fd in sorted(set(keep)):
        if fd > first:
            process.close_range(first, fd - 1)
        first = fd + 1
    process.close_range(first)


def set_stdio(stdio: Stdio) -> int:
    """Make the three descriptors 0, 1 and 2, whichever numbers they had; return the devpts'."""
    devpts = above(stdio.devpts, 10) if 0 <= stdio.devpts < 10 else stdio.devpts
    wanted = (stdio.stdin, stdio.stdout, stdio.stderr)
    copies = [int(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)) for fd in wanted]
    for target, copy in enumerate(copies):
        os.dup2(copy, target)
        os.close(copy)
    return devpts


def own_session(stdio: Stdio) -> None:
    """Start a session, with descriptor 0 as its controlling terminal if it is one."""
    os.setsid()
    if stdio.terminal:
        fcntl.ioctl(0, _TIOCSCTTY, 0)


def give_stdio(
    uid: int, group: int = -1, *, terminal: bool, fds: Sequence[int] = (0, 1, 2)
) -> None:
    """Let the container's user open /proc/self/fd/1 and the like, as it can in Docker.

    A terminal gets the ``group``, too, if there is one. Only pipes and the container's own
    terminal change hands; a file is its owner's business.
    """
    for fd in fds:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or (terminal and stat.S_ISCHR(mode)):
            try:
                os.fchown(fd, uid, group if stat.S_ISCHR(mode) else -1)
            except OSError:
                continue  # another's pipe: it works as it is, through the open descriptor


def forbid_imports() -> None:
    """From here on the files are the image's: nothing may be imported from them."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if _is_inside(finder)]


def _is_inside(finder: object) -> bool:
    return getattr(finder, "__name__", "") in ("BuiltinImporter", "FrozenImporter")


def say(report: int, message: str) -> None:
    """Write one line of the report."""
    os.write(report, message.encode() + b"\n")


def _report_error(report: int, error: Exception) -> None:
    if isinstance(error, PlugrunError):
        parts = [type(error).__name__, error.message, error.hint]
    elif isinstance(error, OSError):
        parts = ["IsolationError", f"{_own_step()}: {describe(error)}", ""]
    else:
        parts = ["IsolationError", f"{_own_step()}: {type(error).__name__}: {error}", ""]
    say(report, "E" + dumps(parts))


def describe(error: OSError) -> str:
    """Return an OSError as ``file: reason``."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason[:1].lower()}{reason[1:]}" if error.filename else reason


def raise_reported(line: str) -> None:
    """Raise the exception that an ``E`` line describes."""
    name, message, hint = loads(line[1:])
    for known in _ERRORS:
        if known.__name__ == name:
            raise known(message, hint=hint)
    raise IsolationError(message, hint=hint)


def reap(pid: int) -> None:
    """Wait for a child; one whom the caller's own handler of SIGCHLD reaped is gone already."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def pid_first(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines with the PID before all others.

    The process may have come far before stage 1, which has cloned it, gets to name it; and what
    it asks for (H, R) is done with its PID.
    """
    held: list[str] = []
    for line in lines:
        if not line.startswith("P"):
            held.append(line)
            continue
        yield line
        yield from held
        yield from lines
        return
    yield from held


def read_lines(report: int) -> list[str]:
    """Read the report to its end."""
    return list(lines(report))


def lines(report: int) -> Iterator[str]:
    """Yield the lines of the report as they come, to its end."""
    rest = b""
    while part := os.read(report, 65536):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
