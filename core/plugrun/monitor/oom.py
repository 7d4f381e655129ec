"""What the kernel killed for want of memory, as a container's cgroup counts it."""

from __future__ import annotations

import posix
import select

from plugrun.monitor.launch import launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.monitor.plan import WatchPlan


def oom_kills(counter: str) -> int:
    """Read the kernel's count of OOM kills in a cgroup; 0 if it does not count."""
    if not counter:
        return 0
    try:
        fd = posix.open(counter, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return _count(posix.read(fd, 4096))
    finally:
        posix.close(fd)


def _count(text: bytes) -> int:
    for line in text.splitlines():
        if line.startswith(b"oom_kill "):
            return int(line.split()[1])
    return 0


class OomWatch:
    """Executes a program when the kernel kills for want of memory; ``fd`` and ``mask`` say when.

    While one runs others are not begun: a container that is killed in without end is told of now
    and then, not each time.
    """

    def __init__(self, plan: WatchPlan) -> None:
        self._program = plan.oom
        counter = plan.oom_counter if plan.oom else ""
        self._counter = counter
        self.fd, self.mask = _notification(counter)
        self._count = oom_kills(counter)
        self._pid = 0
        # A container may meet its limit before anybody watches: a monitor takes its time to begin.
        if self.fd >= 0 and self._count > plan.oom_told:
            self._pid = launch(self._program)

    def take(self) -> None:
        """Take note that the kernel has something to say."""
        if self.mask == select.POLLIN:
            posix.read(self.fd, 8)  # v1 says it before it kills: the count would come too late
        else:
            # From this descriptor: reading it is what takes the mark away.
            before, self._count = self._count, _count(posix.pread(self.fd, 4096, 0))
            if self._count == before:
                return  # another line of the file has changed
        if self._pid and not posix.waitpid(self._pid, posix.WNOHANG)[0]:
            return
        self._pid = launch(self._program)

    def told(self) -> int:
        """Return how many have been said, for whoever watches next."""
        if self.fd >= 0 and self.mask == select.POLLIN:
            try:
                self.take()  # what is waiting to be read
            except BlockingIOError:
                pass
        return oom_kills(self._counter)

    def stop(self) -> None:
        """Let go, once what has been begun has been said."""
        if self.fd >= 0:
            posix.close(self.fd)
        self.fd = -1
        if self._pid:
            posix.waitpid(self._pid, 0)
        self._pid = 0


def _notification(counter: str) -> tuple[int, int]:
    """Return a descriptor that polls when there is news, and for what; -1 if there is none.

    cgroup v1 (memory.txt, 9 and 10) takes an eventfd; v2 marks the file itself (cgroup-v2.rst).
    """
    try:
        if counter.endswith("/memory.events"):
            fd = posix.open(counter, posix.O_RDONLY | posix.O_CLOEXEC)
            posix.read(fd, 4096)  # what was there before is no news
            return fd, select.POLLPRI
        if counter.endswith("/memory.oom_control"):
            return _registered(counter), select.POLLIN
    except OSError:
        pass  # it is counted, and told by the exit file
    return -1, 0


def _registered(counter: str) -> int:
    folder = counter.removesuffix("memory.oom_control")
    event = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)
    file = posix.open(counter, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        control = posix.open(f"{folder}cgroup.event_control", posix.O_WRONLY | posix.O_CLOEXEC)
        try:
            posix.write(control, f"{event} {file}".encode())
        finally:
            posix.close(control)
    except OSError:
        posix.close(event)
        raise
    finally:
        posix.close(file)
    return event
