"""A little space that is kept back, so that on a full disk things can still be removed.

SQLite needs some to open the database, and to remove a row is to write. The file is made while
there is plenty of room, and given up by the first command that finds none; pulls and starts do
not touch it, or it would be gone when it is needed.
"""

from __future__ import annotations

import os

SIZE = 1 << 20
_PLENTY = 16 * SIZE
_SCARCE = SIZE // 2


def keep(root: str) -> None:
    """Make the reserve if it is not there and there is plenty of room."""
    path = _path(root)
    if os.path.exists(path) or _free(root) < _PLENTY:
        return
    aside = f"{path}.tmp-{os.getpid()}"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, SIZE)
        finally:
            os.close(fd)
        os.rename(aside, path)
    except OSError:
        # No room after all, or a file system that is read-only: it is a comfort, no need.
        try:
            os.unlink(aside)
        except OSError:
            return


def give_up(root: str) -> bool:
    """Free the reserve; return whether there was one."""
    try:
        os.unlink(_path(root))
    except OSError:
        return False
    return True


def make_room(root: str) -> None:
    """Free the reserve if there is hardly any other room."""
    if _free(root) < _SCARCE:
        give_up(root)


def _free(root: str) -> int:
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def _path(root: str) -> str:
    return f"{root}/reserve"
