"""A file that a command writes where the user says: whole, or not at all."""

from __future__ import annotations

import os
import stat

from plugrun.cli.failure import SaidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def written_whole(path: str, write: Callable[[int], None]) -> None:
    """Have a file written aside, then give it its name; its mode is 0600, as Docker's.

    Raise SaidError if the path cannot be a file's; what ``write`` raises leaves nothing behind.
    """
    folder = os.path.dirname(path) or "."
    _refuse(path)
    aside = f"{folder}/.plugrun_temp_{os.getpid()}"
    fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            write(fd)
        finally:
            os.close(fd)
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def _refuse(path: str) -> None:
    """Refuse what cannot be written as a file, in Docker's words."""
    folder = os.path.dirname(path)
    if folder and not os.path.exists(folder):
        raise SaidError(f"invalid output path: stat {folder}: no such file or directory")
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if kind != stat.S_IFREG:
        raise SaidError(f"cannot write to {_KINDS[kind]}")


_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link directly",
    stat.S_IFCHR: "a character device file",
    stat.S_IFBLK: "a block device file",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
}
