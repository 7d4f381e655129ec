"""Whoever is attached: keys and input in, signals on, the terminal's size after it.

Output does not pass through here: the monitor writes it to the descriptors it inherited.
"""

from __future__ import annotations

import os
import select

from plugrun.engine.attaching.detachkeys import DEFAULT
from plugrun.errors import Detached
from plugrun.linux.signals import raw as signals
from plugrun.linux.terminal import set_window_size, window_size
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 65536
# As with Docker: who has asked so often wants this command to end, whatever the other one does.
_ENOUGH = 3
_ENDING = (signals.SIGINT, signals.SIGTERM)

# What is not passed on: these speak of the command itself, or cannot be caught.
_OWN = frozenset(
    (
        signals.SIGKILL,
        signals.SIGSTOP,
        signals.SIGCHLD,
        signals.SIGPIPE,
        signals.SIGURG,
        signals.SIGTSTP,
        signals.SIGTTIN,
        signals.SIGTTOU,
        signals.SIGCONT,
        signals.SIGWINCH,
        signals.SIGSEGV,
        signals.SIGBUS,
        signals.SIGFPE,
        signals.SIGILL,
        signals.SIGABRT,
        signals.SIGTRAP,
        signals.SIGSYS,
        signals.SIGPROF,
        signals.SIGVTALRM,
        signals.SIGALRM,
        signals.SIGIO,
        signals.SIGXCPU,
        signals.SIGXFSZ,
    )
)
_PASSED = tuple(n for n in range(1, 32) if n not in _OWN and n not in (16, 30))


@record
class Wishes:
    """How to be attached: to which streams, which keys leave, whether signals are passed on."""

    streams: tuple[str, ...] = ("stdin", "stdout", "stderr")
    keys: bytes = DEFAULT
    proxy: bool = True


class Signals:
    """Signals as bytes of a pipe, so that one poll sees them beside everything else.

    Without ``passed`` only the window's size is asked for, and all else does what it did.
    """

    def __init__(self, *, passed: bool) -> None:
        self.fd, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        wanted = (*_PASSED, signals.SIGWINCH) if passed else (signals.SIGWINCH,)
        self._before = {number: signals.signal(number, _noted) for number in wanted}
        signals.set_wakeup_fd(self._wake)

    def take(self) -> bytes:
        """Return the numbers of the signals that have come."""
        try:
            return os.read(self.fd, 512)
        except BlockingIOError:
            return b""

    def restore(self) -> None:
        """Let signals do what they did before."""
        signals.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signals.signal(number, handler)
        os.close(self.fd)
        os.close(self._wake)


def _noted(number: int, frame: object) -> None:
    """Do nothing: the wakeup descriptor has the number already."""


class Input:
    """Copies descriptor 0 to a process's input without ever blocking on either.

    On a terminal ``keys`` are those that detach. ``ended`` is told when the input has ended.
    """

    def __init__(
        self,
        target: int,
        *,
        terminal: bool,
        keys: bytes = DEFAULT,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._target = target
        self._terminal = terminal
        self._keys = keys
        self._ended = ended
        self._waiting = b""
        self._held = b""
        self.detached = False
        os.set_blocking(target, False)

    def register(self, poll: select.poll) -> None:
        """Say what this is waiting for now."""
        if self._target >= 0 and self._waiting:
            poll.register(self._target, select.POLLOUT)
        elif self._target >= 0:
            poll.register(0, select.POLLIN)

    @property
    def over(self) -> bool:
        """Whether all of it has been passed on."""
        return self._target < 0

    def owns(self, fd: int) -> bool:
        """Whether an event on this descriptor is for ``step``."""
        return self._target >= 0 and fd in (0, self._target)

    def step(self) -> None:
        """Read or write once."""
        if not self._waiting:
            self._read()
        if self._waiting:
            self._write()

    def _read(self) -> None:
        try:
            data = os.read(0, CHUNK)
        except OSError:
            data = b""
        if not data:
            self._end()
        elif self._terminal:
            self._waiting = self._without_detach(data)
        else:
            self._waiting = data

    def _without_detach(self, data: bytes) -> bytes:
        """Return what is not, and cannot become, part of the keys that detach."""
        data = self._held + data
        if self._keys in data:
            self.detached = True
            return data[: data.index(self._keys)]
        most = min(len(self._keys) - 1, len(data))
        length = next((n for n in range(most, 0, -1) if data.endswith(self._keys[:n])), 0)
        self._held = data[len(data) - length :]
        return data[: len(data) - length]

    def _write(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._target, self._waiting) :]
        except BlockingIOError:
            return
        except OSError:
            self._waiting = b""
            self._end()

    def _end(self) -> None:
        """Pass the end of input on; a terminal has none, it is only let go of."""
        if not self._terminal:
            os.close(self._target)
            if self._ended is not None:
                self._ended()
        self._target = -1


class Attachment:
    """One poll over events of a process, signals and input.

    ``terminal`` is the terminal whose size ``target`` follows, or -1; ``resized`` is told of it.
    The third SIGINT or SIGTERM raises Detached; it is passed on before.
    """

    def __init__(
        self,
        input: Input | None,
        terminal: int,
        target: int,
        *,
        proxy: bool = True,
        resized: Callable[[int, int], None] | None = None,
    ) -> None:
        self._signals = Signals(passed=proxy)
        self._resized = resized
        self._input = input
        self._terminal = terminal
        self._target = target
        self._pidfd = -1
        self._early = b""
        self._signalled = False
        self._asked = 0

    def process(self, pid: int) -> None:
        """Say which process signals are for; those that came before are passed on now."""
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return  # it has ended; ESRCH, and EINVAL or ENOENT for one that is reaped
        early, self._early = self._early, b""
        for number in early:
            self._send(number)

    def follow_size(self, *, redraw: bool = False) -> None:
        """Give the process's terminal our own's size; with ``redraw`` as a change in any case.

        A program that fills the screen draws it anew when the size changes, and somebody who has
        just attached sees nothing before it does.
        """
        size = window_size(self._terminal) if self._terminal >= 0 else None
        if size is None:
            return
        for more in (1, 0) if redraw else (0,):
            set_window_size(self._target, size[0] + more, size[1] + more)
            if self._resized is not None:
                self._resized(size[0] + more, size[1] + more)

    def wait(self, fds: tuple[int, ...], handle: Callable[[int], bool]) -> bool:
        """Serve until ``handle`` returns True for one of ``fds``; False if the user left.

        Without ``fds`` that is when the input has ended.
        """
        while True:
            poll = select.poll()
            for fd in (*fds, self._signals.fd):
                poll.register(fd, select.POLLIN)
            if self._input is not None:
                self._input.register(poll)
            for fd, _ in poll.poll():
                if fd == self._signals.fd:
                    self._pass_on(self._signals.take())
                elif self._input is not None and self._input.owns(fd):
                    self._input.step()
                    if self._input.detached or (self._input.over and not fds):
                        return False
                elif handle(fd):
                    return True

    def show(self, fd: int, data: bytes) -> None:
        """Write output, passing signals on while nobody takes it.

        Once a signal has been passed on and the process has ended, what nobody takes is dropped:
        whoever sent it wants this command to end.
        """
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        poll.register(self._signals.fd, select.POLLIN)
        while data:
            if self._signalled and self._pidfd >= 0:
                poll.register(self._pidfd, select.POLLIN)
            ready = [found for found, _ in poll.poll()]
            if self._signals.fd in ready:
                self._pass_on(self._signals.take())
            elif fd in ready:
                data = _written(fd, data)
            elif self._pidfd in ready:
                return

    def close(self) -> None:
        """Restore signals."""
        self._signals.restore()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def _pass_on(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signals.SIGWINCH:
                self.follow_size()
            elif self._pidfd < 0:
                self._early += bytes((number,))
            else:
                self._send(number)
            self._count(number)

    def _count(self, number: int) -> None:
        self._asked += number in _ENDING
        if self._asked >= _ENOUGH:
            raise Detached("\ngot 3 SIGTERM/SIGINTs, forcefully exiting")

    def _send(self, number: int) -> None:
        self._signalled = True
        try:
            signals.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return


def _written(fd: int, data: bytes) -> bytes:
    """Write no more than what a pipe that is ready takes without blocking; return the rest."""
    try:
        return data[os.write(fd, data[: select.PIPE_BUF]) :]
    except BlockingIOError:
        return data
