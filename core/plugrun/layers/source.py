"""Bytes in pieces, read as tar wants them: blocks, exact lengths, and pieces without copying."""

from __future__ import annotations

from plugrun.errors import Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512


class Source:
    """A stream of chunks with a position; each byte is handed out once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._view = memoryview(b"")
        self._pos = 0
        self._end = 0

    def block(self) -> bytes:
        """Return the next 512 bytes, or nothing at the end; raise Corrupt if it is within one."""
        pos = self._pos
        after = pos + BLOCK
        if after <= self._end:
            self._pos = after
            return self._chunk[pos:after]
        if pos == self._end and not self._more():
            return b""
        return self.exactly(BLOCK)

    def exactly(self, count: int) -> bytes:
        """Return ``count`` bytes; the caller bounds it."""
        parts = []
        while count:
            part = self.piece(count)
            parts.append(bytes(part))
            count -= len(part)
        return b"".join(parts)

    def piece(self, most: int) -> memoryview:
        """Return at least one byte and at most ``most``, without copying."""
        pos = self._pos
        if pos == self._end:
            if not self._more():
                raise Corrupt("the tar stream ends in the middle of an entry")
            pos = 0
        after = min(pos + most, self._end)
        self._pos = after
        return self._view[pos:after]

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        after = self._pos + count
        if after <= self._end:
            self._pos = after
            return
        while count:
            count -= len(self.piece(count))

    def drain(self) -> None:
        """Pass over everything to the end."""
        while self._more():
            pass

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._chunk, self._view = chunk, memoryview(chunk)
                self._pos, self._end = 0, len(chunk)
                return True
        self._pos = self._end = 0
        return False
