"""Where results are to be written: whether that can be, asked before the first cell runs."""

from __future__ import annotations

import errno
import os

from plugrun.errors import UsageError


def check_file(option: str, path: str) -> None:
    """UsageError if ``path`` cannot become a file, or be written; nothing is made or opened."""
    try:
        exists = _exists(path)
        if os.path.isdir(path) or path.endswith("/"):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # A link that leads nowhere yet is written where it leads to.
        _check_writable(path if exists else os.path.dirname(os.path.realpath(path)))
    except OSError as error:
        raise UsageError(f"cannot write --{option} {path}: {error.strerror}") from None


def check_folder(option: str, path: str) -> None:
    """UsageError if ``path`` is no folder to write in, and cannot be made; nothing is made."""
    try:
        above = os.path.realpath(path)
        while not _exists(above):
            above = os.path.dirname(above)
        if not os.path.isdir(above):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _check_writable(above)
    except OSError as error:
        raise UsageError(f"cannot write into --{option} {path}: {error.strerror}") from None


def _exists(path: str) -> bool:
    """Whether there is something; OSError if that cannot be told, as of a name too long."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def _check_writable(path: str) -> None:
    os.stat(path)
    if not os.access(path, os.W_OK):
        number = errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number))
