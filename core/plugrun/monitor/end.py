"""The end of a watch: the exit file."""

from __future__ import annotations

from posix import close
from time import time_ns

from plugrun.monitor.oom import oom_kills
from plugrun.monitor.watch import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.monitor.plan import WatchPlan


def watch_to_end(
    plan: WatchPlan,
    lost: Callable[[str, int], None] | None = None,
    left: Callable[[WatchPlan], None] | None = None,
) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    """Watch a container until it has ended; leave its exit file, and tell whoever is attached.

    Return its exit code, and what of its output the starter has not taken yet: ``show_late``
    waits for that, and should come after what others wait for. Raise NoSpace, which tells the
    exit code, if the disk is too full to write it down.
    """
    watcher = Watcher(plan, lost, left)
    code = watcher.run()
    finished = time_ns()
    # Loaded now, not before: the idle monitor does without ctypes and what else this takes.
    from plugrun.monitor.exitfile import ExitFile, write_exit_file

    killed = oom_kills(plan.oom_counter) > 0
    ended = ExitFile(code, plan.started_ns, finished, killed, restarts=plan.restarts)
    try:
        write_exit_file(plan.folder, ended, durable=plan.durable)
    except OSError as error:
        raise _untold(error, plan, code) from None
    if plan.watching >= 0:
        close(plan.watching)
    watcher.dismiss(code)
    return code, watcher.late


def _untold(error: OSError, plan: WatchPlan, code: int) -> Exception:
    from errno import EDQUOT, ENOSPC

    from plugrun.errors import NoSpace

    if error.errno not in (ENOSPC, EDQUOT):
        return error
    place = f"{plan.folder}/exit"
    return NoSpace(
        f"no space left to write {place}: the container has ended, with exit code {code}",
        hint="free some space; plugrun rm and plugrun system prune work on a full disk",
    )
