"""The content of one file into another: shared where the file system can, holes kept everywhere.

From the quickest way to the one that always works, each left only for an error that says it is not
to be had here: ioctl_ficlone(2), copy_file_range(2), read(2) and write(2).
"""

from __future__ import annotations

import errno
import fcntl
import os

from plugrun.linux.writing import write_all

_FICLONE = 0x40049409  # _IOW(0x94, 9, int), include/uapi/linux/fs.h
# This file cannot be shared: a swap file, one whose copying on write was switched off.
_NOT_THIS_FILE = (errno.EINVAL, errno.ETXTBSY, errno.EPERM)
# Nothing between these two file systems can be shared.
_NOT_HERE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EXDEV)
_NO_RANGES = (*_NOT_HERE, errno.EINVAL, errno.ETXTBSY, errno.EPERM)
_MOST = 1 << 30
_PIECE = 1 << 20


def share_content(source: int, target: int) -> bool | None:
    """Let an empty file have another's content, by reference; holes are kept.

    Return False if this file cannot, and None if no file of this file system can; then nothing
    was done. Raise OSError on anything else.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return None
        if error.errno in _NOT_THIS_FILE:
            return False
        raise
    return True


def copy_content(source: int, target: int, state: os.stat_result) -> None:
    """Copy into an empty file what ``state`` says the source has; holes stay holes.

    Raise OSError; EIO if the source turns out to have less than it should.
    """
    size = state.st_size
    if size <= _PIECE and state.st_blocks * 512 >= size:
        _copy_small(source, target, size)
        return
    if state.st_blocks * 512 >= size:
        _copy_range(source, target, 0, size)
        return
    os.ftruncate(target, size)
    offset = 0
    while offset < size:
        start = _next_data(source, offset)
        if start < 0:
            return
        offset = min(os.lseek(source, start, os.SEEK_HOLE), size)
        _copy_range(source, target, start, offset)


def _next_data(source: int, offset: int) -> int:
    """Return where data begins again; -1 if there is none (lseek(2), SEEK_DATA)."""
    try:
        return os.lseek(source, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return -1
        raise


def _copy_small(source: int, target: int, size: int) -> None:
    """Copy a file of one piece: two calls are quicker than the kernel's splicing."""
    data = os.read(source, size)
    write_all(target, data)
    if len(data) < size:
        _copy_range(source, target, len(data), size)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    """Copy from ``start`` to ``end``, by the kernel where it can."""
    try:
        while start < end:
            done = os.copy_file_range(source, target, min(end - start, _MOST), start, start)
            if not done:
                break
            start += done
    except OSError as error:
        if error.errno not in _NO_RANGES:
            raise
    while start < end:
        piece = os.pread(source, min(end - start, _PIECE), start)
        if not piece:
            raise OSError(errno.EIO, f"the file ends at {start} of {end} bytes")
        os.lseek(target, start, os.SEEK_SET)
        write_all(target, piece)
        start += len(piece)
