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
    from typing import NoReturn

    from plugrun.monitor.plan import WatchPlan

# `ps` shows it, with the container's folder in the plan behind it.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from plugrun.monitor.lean import main; main()"
)
_CLOSE_RANGE_CLOEXEC = 4


def become_lean(plan: WatchPlan) -> NoReturn:
    """Execute the lean monitor in place of this process.

    It inherits descriptors 0 to 2 and those the plan names; what the caller of plugrun had left
    open is closed.
    """
    syscall(SYS_CLOSE_RANGE, 3, 0x7FFFFFFF, _CLOSE_RANGE_CLOEXEC)
    for fd in plan.kept:
        os.set_inheritable(fd, True)
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    text = dumps(as_json(plan))
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", _PROGRAM, home, text])
