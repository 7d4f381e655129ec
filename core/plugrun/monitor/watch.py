"""Watch one container: its output into the log and to whoever started it, then its exit code.

The process that does this is small on purpose (posix, select and time are all it loads) and holds
nothing the container needs: killing it ends the log and loses the exit code, never the container.
"""

from __future__ import annotations

import posix
import select

from plugrun.linux.writing import write_all
from plugrun.monitor.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.monitor.plan import WatchPlan

CHUNK = 65536
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class Watcher:
    """Copies output until the container has ended and its output is drained."""

    def __init__(self, plan: WatchPlan) -> None:
        self._plan = plan
        self._log = LogFile(plan.log)
        self._poll = select.poll()
        self._streams = {fd: name for name, fd in plan.outputs}
        self._clients = dict(plan.clients)
        self._pidfd = posix.pidfd_open(plan.pid)
        for fd in (*self._streams, self._pidfd):
            self._poll.register(fd, select.POLLIN)
        if plan.lifeline >= 0:
            self._poll.register(plan.lifeline, select.POLLIN)

    def run(self) -> int:
        """Watch to the end; return the exit code as a shell has it (128+n for signal n)."""
        exit_code = None
        while exit_code is None or self._streams:
            for fd, _ in self._poll.poll():
                if fd in self._streams:
                    self._copy(fd)
                elif fd == self._pidfd:
                    exit_code = self._reap()
                else:
                    self._leave_client()
        self._log.close()
        return exit_code

    def _copy(self, fd: int) -> None:
        stream = self._streams[fd]
        try:
            data = posix.read(fd, CHUNK)
        except OSError:
            # EIO is how a pty says that its last user has gone (pty(7)).
            data = b""
        if not data:
            del self._streams[fd]
            self._poll.unregister(fd)
            posix.close(fd)
            self._log.finish(stream)
            self._clients.pop(stream, None)
            return
        if stream in self._clients:
            self._show(stream, data)
        self._log.write(stream, data)

    def _show(self, stream: str, data: bytes) -> None:
        try:
            write_all(self._clients[stream], data)
        except OSError:
            # Nobody reads any more (a closed pipe, a gone terminal): the container goes on.
            del self._clients[stream]

    def _reap(self) -> int:
        _, status = posix.waitpid(self._plan.pid, 0)
        self._poll.unregister(self._pidfd)
        posix.close(self._pidfd)
        code = posix.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def _leave_client(self) -> None:
        """The starter has gone: stop writing to what it had open, and let go of it."""
        self._poll.unregister(self._plan.lifeline)
        posix.close(self._plan.lifeline)
        self._clients.clear()
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        for fd in (0, 1, 2):
            posix.dup2(null, fd, inheritable=True)
        posix.close(null)


def oom_kills(counter: str) -> int:
    """Read the kernel's count of OOM kills in a cgroup; 0 if it does not count."""
    if not counter:
        return 0
    try:
        fd = posix.open(counter, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = posix.read(fd, 4096)
    finally:
        posix.close(fd)
    for line in text.splitlines():
        if line.startswith(b"oom_kill "):
            return int(line.split()[1])
    return 0
