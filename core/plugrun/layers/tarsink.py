"""Where a tar stream goes: a descriptor, by the kernel's own copying or through a hash."""

from __future__ import annotations

import os

from plugrun.layers.tarheader import BLOCK, END, header
from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.layers.entry import Entry

    Progress = Callable[[int], None]

_BUFFER = 1 << 20
_BY_KERNEL = 1 << 18  # from this size on it pays to let the kernel copy
_LARGEST_COPY = 1 << 30


class TarSink:
    """Writes entries to a descriptor; ``finish`` ends the stream.

    ``written`` counts bytes. With ``hashed`` their digest is known at the end; without it the
    kernel copies large files where it can. ``exact`` is as for ``header``. A file that became
    shorter meanwhile is filled up with zeros, and one that grew is cut: what its header says has
    been sent.
    """

    def __init__(self, fd: int, *, hashed: bool = False, exact: bool = False) -> None:
        self._fd = fd
        self._exact = exact
        self._buffer = bytearray()
        self._hash = None
        self.written = 0
        if hashed:
            import hashlib

            self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The digest of everything written so far and flushed."""
        assert self._hash is not None
        return f"sha256:{self._hash.hexdigest()}"

    def add(self, entry: Entry, data: int = -1) -> None:
        """Write one entry, with its data from a descriptor."""
        self._buffer += header(entry, exact=self._exact)
        if entry.stored:
            if entry.holes is None:
                self._data(data, 0, entry.stored)
            else:
                for offset, length in entry.holes:
                    self._data(data, offset, length)
            self._buffer += bytes(-entry.stored % BLOCK)
        if len(self._buffer) >= _BUFFER:
            self.flush()

    def finish(self) -> None:
        """Write the end of the archive."""
        self._buffer += END
        self.flush()

    def flush(self) -> None:
        """Hand over what is waiting."""
        if self._buffer:
            self._write(self._buffer)
            self._buffer = bytearray()

    def _write(self, data: bytearray) -> None:
        if self._hash is not None:
            self._hash.update(data)
        write_all(self._fd, data)
        self.written += len(data)

    def _data(self, fd: int, offset: int, count: int) -> None:
        if self._hash is None and count >= _BY_KERNEL:
            self.flush()
            done = self._by_kernel(fd, offset, count)
            offset, count = offset + done, count - done
        while count:
            piece = os.pread(fd, min(count, _BUFFER), offset)
            if not piece:
                piece = bytes(min(count, _BUFFER))
            offset += len(piece)
            count -= len(piece)
            self._buffer += piece
            if len(self._buffer) >= _BUFFER:
                self.flush()

    def _by_kernel(self, fd: int, offset: int, count: int) -> int:
        """Copy as much as sendfile(2) will; return how much that was."""
        done = 0
        while done < count:
            try:
                step = os.sendfile(self._fd, fd, offset + done, min(count - done, _LARGEST_COPY))
            except BrokenPipeError:
                raise
            except OSError:
                break  # not between these two, or not now: the other way tells why
            if not step:
                break
            done += step
        self.written += done
        return done
