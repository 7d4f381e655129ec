"""A file's content, copied with its holes, by the cheapest way that the file system has."""

from __future__ import annotations

import errno
import os

_SEEK_DATA = 3
_SEEK_HOLE = 4
_FICLONE = 0x40049409
_NOT_HERE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS)
_CHUNK = 1 << 30


def clone(target: int, source: int) -> bool:
    """Share all extents (ioctl_ficlone(2)); False if the file system cannot."""
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def copy_content(target: int, source: int, state: os.stat_result, size: int) -> None:
    """Copy the first ``size`` bytes; ``target`` is empty and ends up ``size`` long."""
    if state.st_blocks * 512 >= state.st_size:
        _copy(target, source, 0, size)
    else:
        _copy_data(target, source, size)
    if os.stat(target).st_size != size:
        os.truncate(target, size)


def _copy_data(target: int, source: int, size: int) -> None:
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, _SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        at = min(os.lseek(source, start, _SEEK_HOLE), size)
        _copy(target, source, start, at)


def _copy(target: int, source: int, at: int, end: int) -> None:
    while at < end:
        try:
            done = os.copy_file_range(source, target, min(end - at, _CHUNK), at, at)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            done = _copy_by_hand(target, source, at, end)
        if not done:
            return
        at += done


def _copy_by_hand(target: int, source: int, at: int, end: int) -> int:
    """Across file systems."""
    data = os.pread(source, min(end - at, 1 << 20), at)
    done = 0
    while done < len(data):
        done += os.pwrite(target, data[done:], at + done)
    return done
