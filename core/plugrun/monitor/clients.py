"""The descriptors that output is shown on; a slow one never blocks the monitor."""

from __future__ import annotations

import posix
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.monitor.guests import Guest

CHUNK = 65536
# What a descriptor that polls as writable takes without blocking: PIPE_BUF.
_PIECE = 4096
# stat(2)'s kinds of files; the module stat is not loaded here.
_KIND, _REGULAR, _CHARACTER, _PIPE = 0o170000, 0o100000, 0o020000, 0o010000


class Client:
    """One descriptor to show a stream on; writing to it never blocks.

    ``late`` is what it has not taken yet. ``guest`` is whose it is, None for the starter's.
    """

    def __init__(self, stream: str, fd: int, guest: Guest | None = None) -> None:
        self.stream = stream
        self.guest = guest
        self._given = fd
        kind = posix.fstat(fd).st_mode & _KIND
        self.fd = _unblocked(fd) if kind in (_PIPE, _CHARACTER) else fd
        self.late = b""
        self._most = CHUNK if self.fd != fd or kind == _REGULAR else 0

    def write(self) -> None:
        """Write what fits now of what is late; raise OSError if nobody reads any more."""
        try:
            if self._most:
                self.late = self.late[posix.write(self.fd, self.late) :]
                return
            waiting = select.poll()
            waiting.register(self.fd, select.POLLOUT)
            if waiting.poll(0):
                self.late = self.late[posix.write(self.fd, self.late[:_PIECE]) :]
        except BlockingIOError:
            return

    def close(self) -> None:
        """Let go of what is our own: of a guest's, all."""
        if self.fd != self._given:
            posix.close(self.fd)
        if self.guest is not None:
            posix.close(self._given)


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
    """Write what clients had not taken, for as long as it takes, or until the lifeline ends."""
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
