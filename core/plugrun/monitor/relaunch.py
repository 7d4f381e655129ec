"""Turn this process into a lean monitor: the same PID and children, a fresh interpreter.

A process forked from a command keeps every library the command had loaded for as long as the
container runs. Children, the subreaper flag and inheritable descriptors survive execve(2).
"""

from __future__ import annotations

import os
import sys

from plugrun.linux.libc import SYS_CLOSE_RANGE, syscall
from plugrun.model.jsontext import dumps
from plugrun.model.record import as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from plugrun.monitor.plan import WatchPlan

# `ps` shows it, with the container's folder in the plan behind it.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from plugrun.monitor.lean import main; main()"
)
_HOLDER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from plugrun.monitor.hold import main; main()"
)
_LEAN = (sys.executable, "-I", "-S", "-c")
_CLOSE_RANGE_CLOEXEC = 4


def hold(pid: int, outputs: tuple[int, ...], input: int, after: tuple[str, ...]) -> NoReturn:
    """Execute a process in place of this one that lets a child go on without anybody.

    It keeps the child's input open, takes its outputs and drops them, reaps it, and executes
    ``after`` with the exit code as one more argument.
    """
    kept = {*outputs, input} - {-1}
    _leave_only(kept)
    shown = ",".join(str(fd) for fd in outputs)
    os.execv(sys.executable, [*_LEAN, _HOLDER, _home(), str(pid), shown, *after])


def become_lean(plan: WatchPlan) -> NoReturn:
    """Execute the lean monitor in place of this process.

    It inherits descriptors 0 to 2 and those the plan names; what the caller of plugrun had left
    open is closed.
    """
    _leave_only(plan.kept)
    text = dumps(as_json(plan))
    # Else glibc gives the memory of every piece of output back to the kernel, and takes it anew:
    # half of what a log costs (mallopt(3)).
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "524288"}
    words = [*_LEAN, _PROGRAM, _home(), text]
    os.execve(sys.executable, words, environment)


def _leave_only(fds: Iterable[int]) -> None:
    syscall(SYS_CLOSE_RANGE, 3, 0x7FFFFFFF, _CLOSE_RANGE_CLOEXEC)
    for fd in fds:
        os.set_inheritable(fd, True)


def _home() -> str:
    """Return the folder that the package is in."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
