"""Whether a process has executed its command, which no runtime waits for.

A runtime's init is cloned and has not called execve(2) until it executes the command; the kernel
remembers that of each process, of one that has ended too (PF_FORKNOEXEC in the flags of
proc_pid_stat(5)). Why it could not is what it writes to its standard error.
"""

from __future__ import annotations

import os
import select
import stat

from plugrun.api import cgroupfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# include/linux/sched.h
_PF_FORKNOEXEC = 0x40
_LONGEST_MS = 20
_MOST = 4096


class Execution:
    """One process that is to execute its command; made before it is let go, where that matters."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._fd = cgroupfs.open_process(pid)
        # A runtime whose process is a sandbox, or has been executed itself, tells nothing.
        self._tells = _waits(pid)
        self._words = _reader(f"/proc/{pid}/fd/2") if self._tells else -1

    def failed(self) -> str:
        """Wait for the command or the end; return why it was not executed, or nothing."""
        if not self._tells:
            return ""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        patience = 1
        while _waits(self._pid):
            if poll.poll(patience):
                return self._reason() if _waits(self._pid) else ""
            patience = min(2 * patience, _LONGEST_MS)
        return ""

    def _reason(self) -> str:
        """Return the last line of what it said; all of it is the runtime's, as no other ran."""
        said = b""
        try:
            said = os.read(self._words, _MOST) if self._words >= 0 else b""
        except BlockingIOError:
            pass
        lines = said.decode("utf-8", "replace").split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return told[-1] if told else "the runtime could not execute it"

    def close(self) -> None:
        """Let go of it."""
        for fd in (self._fd, self._words):
            if fd >= 0:
                os.close(fd)


def _waits(pid: int) -> bool:
    """Whether a process is there, maybe as a zombie, and has executed nothing."""
    fields = _stat(pid)
    return len(fields) > 6 and bool(int(fields[6]) & _PF_FORKNOEXEC)


def _stat(pid: int) -> Sequence[bytes]:
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as stream:
            text = stream.read(_MOST)
    except (FileNotFoundError, ProcessLookupError):
        return ()
    return text[text.rindex(b")") + 2 :].split()


def _reader(path: str) -> int:
    """Open a process's pipe for reading, without waiting; -1 if it is something else."""
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            return -1
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
