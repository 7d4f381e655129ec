"""Locks between commands: flock(2) on files under the run root.

The kernel releases them when their holder dies, however it dies. The files stay: removing one
while another command waits for it would split the lock in two.
"""

from __future__ import annotations

import errno
import fcntl
import os

from plugrun.linux.filesystem import make_private


class Lock:
    """One held lock; ``with`` or ``release`` lets it go."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.release()

    def detach(self) -> int:
        """Return the descriptor that holds the lock; from now on whoever has it holds it."""
        fd, self._fd = self._fd, -1
        return fd

    def release(self) -> None:
        """Let go of the lock; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Locks:
    """Named locks in one folder; a name is a file name."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def shared(self, name: str) -> Lock:
        """Wait for a lock that others may share; Ctrl-C ends the wait."""
        return self._take(name, fcntl.LOCK_SH)

    def exclusive(self, name: str) -> Lock:
        """Wait for a lock that nobody else holds; Ctrl-C ends the wait."""
        return self._take(name, fcntl.LOCK_EX)

    def try_exclusive(self, name: str) -> Lock | None:
        """Take a lock now, or return None if somebody holds it."""
        return self._try(name, fcntl.LOCK_EX)

    def try_shared(self, name: str) -> Lock | None:
        """Take a lock that others may share now, or return None if somebody has it alone."""
        return self._try(name, fcntl.LOCK_SH)

    def _try(self, name: str, how: int) -> Lock | None:
        try:
            return self._take(name, how | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise

    def _take(self, name: str, how: int) -> Lock:
        path = f"{self._folder}/{name}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            make_private(self._folder)
            fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(fd, how)
        except BaseException:
            os.close(fd)
            raise
        return Lock(fd)
