"""Watch one container: its output into the log and to whoever started it, then its exit code.

The process that does this is small on purpose (posix, select and time are all it loads) and holds
nothing the container needs: killing it ends the log and loses the exit code, never the container.
"""

from __future__ import annotations

import posix
import select

from plugrun.monitor.logfile import LogFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.monitor.plan import WatchPlan

CHUNK = 65536
# What a descriptor that polls as writable takes without blocking: PIPE_BUF.
_PIECE = 4096
# stat(2)'s kinds of files; the module stat is not loaded here.
_KIND, _REGULAR, _CHARACTER, _PIPE = 0o170000, 0o100000, 0o020000, 0o010000


class Watcher:
    """Copies output until the container has ended and its output is drained.

    A client that does not read holds up the container, as a pipe to it would; but neither the
    container's end nor the client's own goes unnoticed for it. What such a client had not taken
    when the container had ended is left in ``late``, for ``show_late``. ``lost`` is told when a
    client's stream can be written no more, with the errno.
    """

    def __init__(self, plan: WatchPlan, lost: Callable[[str, int], None] | None = None) -> None:
        self._plan = plan
        self._lost = lost
        self._log = LogFile(plan.log)
        self._poll = select.poll()
        self._streams = {fd: name for name, fd in plan.outputs}
        self._clients = {stream: _Client(fd) for stream, fd in plan.clients}
        self._exit_code: int | None = None
        self._pidfd = posix.pidfd_open(plan.pid)
        for fd in (*self._streams, self._pidfd):
            self._poll.register(fd, select.POLLIN)
        if plan.lifeline >= 0:
            self._poll.register(plan.lifeline, select.POLLIN)

    def run(self) -> int:
        """Watch to the end; return the exit code as a shell has it (128+n for signal n)."""
        while self._exit_code is None or self._streams:
            for fd, _ in self._poll.poll():
                if fd in self._streams:
                    self._copy(fd)
                else:
                    self._note(fd)
        self._log.close()
        return self._exit_code

    @property
    def late(self) -> tuple[tuple[int, bytes], ...]:
        """What clients have not taken, by descriptor."""
        return tuple((c.fd, c.late) for c in self._clients.values() if c.late)

    def _note(self, fd: int) -> None:
        """Take note of an end; while output was shown, it may have been noted already."""
        if fd == self._pidfd and self._exit_code is None:
            self._exit_code = self._reap()
        elif fd == self._plan.lifeline and not self._left:
            self._leave_client()

    _left = False

    def _copy(self, fd: int) -> None:
        stream = self._streams[fd]
        try:
            data = posix.read(fd, CHUNK)
        except BlockingIOError:
            return  # the starter made a terminal non-blocking, for its own end of it
        except OSError:
            # EIO is how a pty says that its last user has gone (pty(7)).
            data = b""
        if not data:
            del self._streams[fd]
            self._poll.unregister(fd)
            posix.close(fd)
            self._log.finish(stream)
            return
        if stream in self._clients:
            self._show(stream, data)
        self._log.write(stream, data)

    def _show(self, stream: str, data: bytes) -> None:
        client = self._clients[stream]
        if client.late:
            client.late += data
            return
        while data:
            try:
                data = client.write(data)
            except OSError as error:
                # Nobody reads any more (a closed pipe, a full disk): the container goes on.
                del self._clients[stream]
                if self._lost is not None:
                    self._lost(stream, error.errno or 0)
                return
            if data and not self._is_writable(client.fd):
                break
        if stream in self._clients:
            client.late = data

    def _is_writable(self, client: int) -> bool:
        """Wait until a client takes more; False if the container or the starter has ended."""
        waiting = select.poll()
        waiting.register(client, select.POLLOUT)
        if self._exit_code is None:
            waiting.register(self._pidfd, select.POLLIN)
        if self._plan.lifeline >= 0 and not self._left:
            waiting.register(self._plan.lifeline, select.POLLIN)
        ready = [fd for fd, _ in waiting.poll(None if self._exit_code is None else 0)]
        if client in ready:
            return True
        for fd in ready:
            self._note(fd)
        return False

    def _reap(self) -> int:
        _, status = posix.waitpid(self._plan.pid, 0)
        self._poll.unregister(self._pidfd)
        posix.close(self._pidfd)
        code = posix.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def _leave_client(self) -> None:
        """The starter has gone: stop writing to what it had open, and let go of it."""
        self._left = True
        self._poll.unregister(self._plan.lifeline)
        posix.close(self._plan.lifeline)
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        for fd in (0, 1, 2):
            posix.dup2(null, fd, inheritable=True)
        posix.close(null)


class _Client:
    """One descriptor to show output on; writing to it never blocks."""

    def __init__(self, fd: int) -> None:
        self._given = fd
        kind = posix.fstat(fd).st_mode & _KIND
        self.fd = _unblocked(fd) if kind in (_PIPE, _CHARACTER) else fd
        self.late = b""
        self._most = CHUNK if self.fd != fd or kind == _REGULAR else 0

    def write(self, data: bytes) -> bytes:
        """Write what fits now; return the rest."""
        try:
            if self._most:
                return data[posix.write(self.fd, data) :]
            waiting = select.poll()
            waiting.register(self.fd, select.POLLOUT)
            if not waiting.poll(0):
                return data
            return data[posix.write(self.fd, data[:_PIECE]) :]
        except BlockingIOError:
            return data

    def close(self) -> None:
        """Let go of what is our own."""
        if self.fd != self._given:
            posix.close(self.fd)


def _unblocked(fd: int) -> int:
    """Open a pipe or terminal anew, without blocking.

    The flag belongs to the open file, which the starter shares with its caller.
    """
    flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC
    try:
        return posix.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return fd  # its reader has gone, or it may not be opened


def show_late(late: tuple[tuple[int, bytes], ...], lifeline: int) -> None:
    """Write what clients had not taken, for as long as it takes, or until the starter has gone."""
    for fd, data in late:
        waiting = select.poll()
        waiting.register(fd, select.POLLOUT)
        if lifeline >= 0:
            waiting.register(lifeline, select.POLLIN)
        rest = data
        while rest and fd in [ready for ready, _ in waiting.poll()]:
            rest = _written(fd, rest)


def _written(fd: int, data: bytes) -> bytes:
    """Write a piece; return the rest, nothing if nobody reads any more."""
    try:
        return data[posix.write(fd, data[:_PIECE]) :]
    except BlockingIOError:
        return data
    except OSError:
        return b""


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
