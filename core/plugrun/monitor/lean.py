"""The lean monitor's program: a fresh interpreter that loads nothing but ``plugrun.monitor``.

It does without ``os`` and ``ctypes``, which would be half of its memory.
"""

from __future__ import annotations

import posix
import sys

from plugrun.model.jsontext import loads
from plugrun.monitor.end import watch_to_end
from plugrun.monitor.plan import WatchPlan


def main() -> None:
    """Watch what argv says, then execute the clean-up that the plan names."""
    plan = _plan(sys.argv[2])
    for fd in plan.kept:
        posix.set_inheritable(fd, False)
    watch_to_end(plan)
    posix.execv(plan.cleanup[0], plan.cleanup)


def _plan(text: str) -> WatchPlan:
    data = loads(text)
    data["outputs"] = tuple((name, fd) for name, fd in data["outputs"])
    data["clients"] = ()
    data["probe"], data["oom"] = tuple(data["probe"]), tuple(data["oom"])
    data["held"] = tuple(data["held"])
    data["guests"], data["cleanup"] = tuple(data["guests"]), tuple(data["cleanup"])
    return WatchPlan(**data)
