"""A foreground process: signals passed on, its terminal connected, its end waited for."""

from __future__ import annotations

import os
import signal

from plugrun.api import terminal

from plugrun_isolation_ns.oci.console import copy_once, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_KEPT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGURG, signal.SIGPIPE}
PASSED = signal.valid_signals() - _KEPT


def hold_signals() -> None:
    """Let signals wait until there is a process to pass them on to: ``Following.run``."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED)


class Following:
    """One process of ours on its way to its end; ``master`` is its terminal's, or -1."""

    def __init__(self, pid: int, master: int) -> None:
        self._pid = pid
        self._master = master

    def run(self) -> int:
        """Return the exit code, or 128 and the signal that ended it."""
        for number in PASSED:
            signal.signal(number, self._pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED)
        if self._master < 0:
            return self._wait()
        outer = terminal.first_terminal()
        if outer < 0:
            return self._connect()
        terminal.copy_window_size(outer, self._master)
        signal.signal(signal.SIGWINCH, lambda *_: terminal.copy_window_size(outer, self._master))
        with terminal.RawMode(outer):
            return self._connect()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        try:
            os.kill(self._pid, number)
        except ProcessLookupError:
            return

    def _wait(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _connect(self) -> int:
        """Copy both ways until nothing has the terminal any more, or the process has ended."""
        ended = os.pidfd_open(self._pid)
        sources = [self._master, ended, 0]
        try:
            while True:
                ready = readable(*sources)
                if self._master in ready:
                    if not copy_once(self._master, 1):
                        break
                elif ended in ready:
                    break
                if 0 in ready and not copy_once(0, self._master):
                    sources.remove(0)
        finally:
            os.close(ended)
        return self._wait()
