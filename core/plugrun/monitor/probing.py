"""When a container's health is checked: a timer, and a program that is executed when it is due.

Nothing of the check itself is here, so an idle monitor stays small.
"""

from __future__ import annotations

import posix
from time import monotonic_ns, time_ns

from plugrun.monitor.launch import launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.monitor.plan import WatchPlan

# A probe's exit code for a container that was not healthy yet.
STILL_STARTING = 3
# Its timeout is an int.
LONGEST_POLL_MS = (1 << 31) - 1
_SIGKILL = 9
_THAWED = (b"THAWED", b"0")


class Prober:
    """Executes a probe, one at a time; ``fd`` tells when it has ended, and is -1 if none runs."""

    def __init__(self, plan: WatchPlan) -> None:
        self._plan = plan
        self._starting = True
        self.fd = -1
        self.pid = plan.probing
        if self.pid:
            # It was begun before this program took the place of another.
            self.fd = posix.pidfd_open(self.pid)
        self._arm()

    @property
    def patience(self) -> int | None:
        """Milliseconds until the next probe is due, or a part of them that poll(2) takes.

        None to wait for other things.
        """
        if self.fd >= 0 or not self._plan.probe:
            return None
        return min(max(-(-(self._due - monotonic_ns()) // 10**6), 0), LONGEST_POLL_MS)

    def probe_if_due(self) -> bool:
        """Begin a probe if it is time for it, and not of a frozen container; whether it was."""
        if self.patience != 0:
            return False
        if _is_frozen(self._plan.freezer):
            self._arm()
            return False
        self.pid = launch(self._plan.probe)
        self.fd = posix.pidfd_open(self.pid)
        return True

    def ended(self) -> None:
        """Take note that the probe has ended."""
        code = posix.waitstatus_to_exitcode(posix.waitpid(self.pid, 0)[1])
        self._forget()
        self._starting = code == STILL_STARTING
        self._arm()

    def stop(self) -> None:
        """End the probe, if there is one, and begin no other."""
        if self.fd >= 0:
            posix.kill(self.pid, _SIGKILL)
            posix.waitpid(self.pid, 0)
            self._forget()
        self._due = monotonic_ns() + (1 << 60)

    def _forget(self) -> None:
        posix.close(self.fd)
        self.fd, self.pid = -1, 0

    def _arm(self) -> None:
        """The time between checks is from the end of one to the beginning of the next."""
        plan = self._plan
        is_early = time_ns() - plan.started_ns < plan.probe_period_ms * 10**6
        wait = plan.probe_early_ms if self._starting and is_early else plan.probe_ms
        self._due = monotonic_ns() + wait * 10**6


def _is_frozen(freezer: str) -> bool:
    """Whether a container is paused, as the kernel has it (cgroup v1 and v2)."""
    if not freezer:
        return False
    try:
        fd = posix.open(freezer, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        return posix.read(fd, 16).strip() not in _THAWED
    except OSError:
        return False
    finally:
        posix.close(fd)
