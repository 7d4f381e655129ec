"""The program that reaps a detached command of ``exec``; what the command writes is dropped."""

from __future__ import annotations

import posix
import select
import sys

_CHUNK = 65536


def main() -> None:
    """Serve the child that argv names, then execute what follows there."""
    pid, outputs, after = int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    code = _serve(pid, {int(fd) for fd in outputs.split(",") if fd})
    posix.execv(after[0], [*after, str(code)])


def _serve(pid: int, outputs: set[int]) -> int:
    """Read outputs until the child has ended; return its exit code as a shell has it."""
    pidfd = posix.pidfd_open(pid)
    while True:
        poll = select.poll()
        for fd in (pidfd, *outputs):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        if pidfd in ready:
            break
        outputs -= {fd for fd in ready if not _drop(fd)}
    code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def _drop(fd: int) -> bool:
    """Read and forget; False at the end, which a pty says with EIO (pty(7))."""
    try:
        return bool(posix.read(fd, _CHUNK))
    except OSError:
        return False
