"""The program between a container's terminal and its caller's.

Descriptor 0 is the master of the container's terminal, 1 the replica of the caller's. The line
discipline that echoes, edits lines and makes signals of keys is the container's; the caller's has
been made raw, and its size is the container's. It ends with either side: all that was written
before has been passed on then.
"""

from __future__ import annotations

# ``signal`` would load ``enum``; its C half has all that is needed.
import _signal  # type: ignore[import-not-found]
import fcntl
import posix
import select
import termios

_MASTER, _REPLICA = 0, 1
_SIGHUP, _SIGWINCH = 1, 28
_CHUNK = 4096  # what a terminal takes at once (N_TTY_BUF_SIZE)
_ENDED = select.POLLHUP | select.POLLERR


class _Direction:
    """From one end to the other, a piece at a time."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self.waiting = b""

    def step(self, ready: dict[int, int]) -> bool:
        """Read or write once if that is possible; False at the end."""
        if self.waiting:
            if ready.get(self.target, 0) & _ENDED:
                return False
            return not ready.get(self.target, 0) & select.POLLOUT or self._write()
        if ready.get(self.source, 0) & (select.POLLIN | _ENDED):
            return self._read()
        return True

    def _read(self) -> bool:
        try:
            self.waiting = posix.read(self.source, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False  # EIO: no process has the terminal any more (pty(7))
        return bool(self.waiting)

    def _write(self) -> bool:
        try:
            self.waiting = self.waiting[posix.write(self.target, self.waiting) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def serve(wake: int) -> None:
    """Copy both ways until one side ends; ``wake`` has a byte for each change of size."""
    out, back = _Direction(_MASTER, _REPLICA), _Direction(_REPLICA, _MASTER)
    while True:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        wanted = {_MASTER: 0, _REPLICA: 0}
        for one in (out, back):
            wanted[one.target if one.waiting else one.source] |= (
                select.POLLOUT if one.waiting else select.POLLIN
            )
        for fd, events in wanted.items():
            if events:
                poll.register(fd, events)
        ready = dict(poll.poll())
        if ready.pop(wake, 0):
            posix.read(wake, 512)
            _copy_size()
        if not (out.step(ready) and back.step(ready)):
            return


def _copy_size() -> None:
    try:
        size = fcntl.ioctl(_REPLICA, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(_MASTER, termios.TIOCSWINSZ, size)
    except OSError:
        return  # one of them has just ended


def make_raw(fd: int) -> None:
    """Let every byte through as it is: cfmakeraw(3)."""
    mode = termios.tcgetattr(fd)
    mode[0] = 0
    mode[1] &= ~termios.OPOST
    mode[2] = (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(fd, termios.TCSANOW, mode)


def main() -> None:
    """Serve the two descriptors to the end."""
    wake, waker = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    _signal.signal(_SIGHUP, _signal.SIG_IGN)  # the caller's end: seen where it is read
    _signal.signal(_SIGWINCH, lambda *_: None)
    _signal.set_wakeup_fd(waker)
    # Who has it as the controlling terminal is told of its size.
    fcntl.ioctl(_REPLICA, termios.TIOCSCTTY, 0)
    _copy_size()
    for fd in (_MASTER, _REPLICA):
        posix.set_blocking(fd, False)
    serve(wake)
