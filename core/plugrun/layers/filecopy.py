"""The data of one file into another: by the kernel where it can, or out of a tar stream."""

from __future__ import annotations

import os

from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.entry import Entry
    from plugrun.layers.tarstream import TarStream

_PIECE = 1 << 20
_MOST = 1 << 30


def copy_data(source: int, target: int, entry: Entry) -> None:
    """Copy what an entry says a file has; holes stay holes, and a file that shrank ends early."""
    if entry.holes is None:
        _copy(source, target, 0, entry.size)
        return
    os.ftruncate(target, entry.size)
    for offset, length in entry.holes:
        _copy(source, target, offset, length)


def write_data(stream: TarStream, target: int, entry: Entry) -> None:
    """Write the data that follows an entry in a stream; holes stay holes."""
    segments = [(0, entry.stored)] if entry.holes is None else entry.holes
    if entry.holes is not None:
        os.ftruncate(target, entry.size)
    for offset, length in segments:
        os.lseek(target, offset, os.SEEK_SET)
        left = length
        while left:
            piece = stream.piece(left)
            left -= len(piece)
            write_all(target, piece)


def _copy(source: int, target: int, offset: int, count: int) -> None:
    os.lseek(target, offset, os.SEEK_SET)
    while count:
        try:
            done = os.copy_file_range(source, target, min(count, _MOST), offset)
        except OSError:
            break  # not between these two; reading and writing tells why
        if not done:
            return
        offset += done
        count -= done
    while count:
        piece = os.pread(source, min(count, _PIECE), offset)
        if not piece:
            return
        write_all(target, piece)
        offset += len(piece)
        count -= len(piece)
