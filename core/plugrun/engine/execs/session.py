"""An attached command of ``exec``: its output to ours, our input to it."""

from __future__ import annotations

import os

from plugrun.engine.attaching.client import CHUNK, Attachment, Input
from plugrun.errors import Detached
from plugrun.linux.terminal import RawMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.plumbing import Plumbing

_LATE_MS = 100


class Session:
    """An attached command: its output to ours, our input to it, until it has ended."""

    def __init__(self, plumbing: Plumbing, pid: int, *, terminal: bool, keys: bytes) -> None:
        self._plumbing = plumbing
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._terminal = terminal
        self._keys = keys
        self._targets = {fd: 1 if name == "stdout" else 2 for name, fd in plumbing.outputs}
        for fd in self._targets:
            os.set_blocking(fd, False)
        self._source: Input | None = None

    def run(self) -> int:
        """Return its exit code; raise Detached if the user left it running."""
        if self._plumbing.input >= 0 and (not self._terminal or os.isatty(0)):
            self._source = Input(
                os.dup(self._plumbing.input), terminal=self._terminal, keys=self._keys
            )
            if not self._terminal:
                os.close(self._plumbing.input)
        if self._terminal and self._source is not None:
            with RawMode(0):
                return self._serve()
        return self._serve()

    def _serve(self) -> int:
        shown = 0 if self._terminal and os.isatty(0) else -1
        attachment = self._attachment = Attachment(self._source, shown, self._plumbing.input)
        attachment.process(self._pid)
        try:
            while True:
                open_fds = (*self._targets, self._pidfd)
                if not attachment.wait(open_fds, self._handle):
                    raise Detached("read escape sequence")
                if self._ended:
                    return self._drain_and_reap()
        finally:
            attachment.close()

    _ended = False

    def _handle(self, fd: int) -> bool:
        """Copy once, or note the end; True makes the caller look at what is open again."""
        if fd == self._pidfd:
            self._ended = True
            return True
        return self._copy(fd)

    def _copy(self, fd: int) -> bool:
        """Copy what is there now; True if this stream has ended."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            # EIO is how a pty says that its last user has gone (pty(7)).
            data = b""
        if not data:
            del self._targets[fd]
            return True
        self._attachment.show(self._targets[fd], data)
        return False

    def _drain_and_reap(self) -> int:
        # What the command wrote is in the pipes by now; children it left behind may hold them
        # open for as long as they live, so the end of file is not waited for. A terminal of the
        # isolation's own may be a moment late.
        patience = _LATE_MS if self._terminal else 0
        for fd in list(self._targets):
            while fd in self._targets and _has_data(fd, patience):
                self._copy(fd)
        code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return 128 - code if code < 0 else code


def _has_data(fd: int, patience: int) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(patience))
