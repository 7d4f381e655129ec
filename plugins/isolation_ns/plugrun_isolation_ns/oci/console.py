"""A container's standard descriptors: the caller's own, or a terminal handed to the engine.

With ``--console-socket`` the engine gets the terminal's master over a Unix socket, in one message
with one descriptor (runc's docs/terminals.md). Without it, and not detached, the terminal is
connected to the caller's own standard descriptors for as long as the process lives.
"""

from __future__ import annotations

import array
import os
import select
import socket

from plugrun.api import IsolationError, Stdio, UsageError, devpts, innerpty, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 32768


class Terminal:
    """What becomes a process's 0, 1 and 2, and what is to be done about it."""

    def __init__(self, wanted: bool, address: str, *, foreground: bool, inside: int = 0) -> None:
        """Make a terminal if one is wanted: a new one, or one of the container of a process."""
        if address and not wanted:
            raise UsageError("--console-socket is for a process with a terminal")
        if wanted and not address and not foreground:
            raise UsageError("a detached process with a terminal needs --console-socket")
        if foreground:
            from plugrun_isolation_ns.oci.following import hold_signals

            hold_signals()
        self._address = address
        self._fds: list[int] = []
        if wanted and inside:
            self._fds = list(innerpty.open_inner_pty(inside))
        elif wanted:
            self._fds = list(devpts.open_own_pty())
        self.master = self._fds[0] if wanted else -1

    def stdio(self) -> Stdio:
        """Return the descriptors for the process."""
        if not self._fds:
            return Stdio(0, 1, 2)
        replica = self._fds[1]
        mount = self._fds[2] if len(self._fds) > 2 else -1
        return Stdio(replica, replica, replica, terminal=True, devpts=mount)

    def hand_over(self, size: dict[str, Any] | None) -> None:
        """Give the terminal its size, and its master to the engine if that asked for it."""
        if self.master < 0:
            return
        if size:
            terminal.set_window_size(self.master, size.get("height", 0), size.get("width", 0))
        for fd in self._fds[1:]:
            os.close(fd)
        self._fds = [self.master]
        if self._address:
            self._send()
            self.close()

    def _send(self) -> None:
        message = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.master]))]
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self._address)
                sock.sendmsg([b"/dev/ptmx"], message)
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise IsolationError(f"--console-socket {self._address}: {reason}") from None

    def close(self) -> None:
        """Let go of the terminal."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []
        self.master = -1

    def follow(self, pid: int) -> int:
        """Serve a process of ours until it ends; return its exit code, 128+n for a signal."""
        from plugrun_isolation_ns.oci.following import Following

        return Following(pid, self.master).run()


def copy_once(source: int, target: int) -> bool:
    """Move what can be read now; return False at the end."""
    try:
        part = os.read(source, _CHUNK)
    except OSError:
        return False  # EIO: no process has the terminal any more
    view = memoryview(part)
    while view:
        view = view[os.write(target, view) :]
    return bool(part)


def readable(*fds: int) -> list[int]:
    """Wait until one of the descriptors can be read, or has ended; return which."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll()]
