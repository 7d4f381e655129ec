"""A reader of tar streams: ustar, PAX, GNU; entry by entry, never seeking.

It does what Go's archive/tar does where standards leave room, since the images of the world were
made for that: a global PAX header is read over, and an unknown type is an error.
"""

from __future__ import annotations

from plugrun.errors import Corrupt, HostileArchive
from plugrun.layers import pax
from plugrun.layers.entry import (
    BLOCK_DEVICE,
    CHAR,
    FIFO,
    FOLDER,
    GNU_LONG_LINK,
    GNU_LONG_NAME,
    GNU_SPARSE,
    HEADER_ONLY,
    LINK,
    PAX,
    PAX_GLOBAL,
    REGULAR,
    SYMLINK,
    check_numbers,
    number,
    parse_header,
    shown,
)
from plugrun.layers.source import BLOCK, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.layers.entry import Entry

LARGEST_EXTENSION = 1 << 20
_KNOWN = frozenset((REGULAR, LINK, SYMLINK, CHAR, BLOCK_DEVICE, FOLDER, FIFO))
_EXTENSIONS = frozenset((PAX, PAX_GLOBAL, GNU_LONG_NAME, GNU_LONG_LINK))
_ZEROS = bytes(BLOCK)


class TarStream:
    """Entries in order; between two ``next`` the data of the first may be read with ``pieces``."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._source = Source(chunks)
        self._left = 0  # bytes of data not read yet
        self._padding = 0

    def next(self) -> Entry | None:
        """Return the next entry, or None at the end, with the rest of the stream read."""
        source = self._source
        if self._left or self._padding:
            source.skip(self._left + self._padding)
            self._left = self._padding = 0
        block = source.block()
        if not block or (block == _ZEROS and self._ends()):
            source.drain()
            return None
        entry = parse_header(block)
        if entry.type in _EXTENSIONS or entry.type == GNU_SPARSE:
            entry = self._extended(entry, block)
        elif entry.type not in _KNOWN:
            raise Corrupt(f"{shown(entry.name)} has the unknown tar type {entry.type!r}")
        if entry.type in HEADER_ONLY:
            entry.size = entry.stored = 0
        check_numbers(entry)
        self._left = entry.stored
        self._padding = -entry.stored % BLOCK if entry.holes is None else self._padding
        return entry

    def piece(self, most: int) -> memoryview:
        """Return some of the entry's stored bytes, at least one and at most ``most``."""
        piece = self._source.piece(min(most, self._left))
        self._left -= len(piece)
        return piece

    @property
    def left(self) -> int:
        """How many stored bytes of the entry have not been read."""
        return self._left

    def _ends(self) -> bool:
        """Whether a second block of zeros, or the end, follows the first."""
        block = self._source.block()
        if block and block != _ZEROS:
            raise Corrupt("a tar stream has data after a block of zeros")
        return True

    # -- extensions -----------------------------------------------------------------------

    def _extended(self, entry: Entry, block: bytes) -> Entry:
        """Read the extension headers before an entry, then the entry."""
        records: pax.Records = {}
        segments: list[tuple[int, int]] = []
        long_name = long_link = b""
        while entry.type in _EXTENSIONS:
            data = self._extension(entry)
            if entry.type == PAX:
                records, segments = pax.parse_records(data)
            elif entry.type == PAX_GLOBAL:
                pax.parse_records(data)
            elif entry.type == GNU_LONG_NAME:
                long_name = data.partition(b"\0")[0]
            else:
                long_link = data.partition(b"\0")[0]
            block = self._source.block()
            if block in (b"", _ZEROS):
                raise Corrupt("a tar stream ends after an extension header")
            entry = parse_header(block)
        entry.name = long_name or entry.name
        entry.linkname = long_link or entry.linkname
        pax.apply_records(entry, records)
        self._sparse(entry, block, records, segments)
        if entry.type not in _KNOWN:
            raise Corrupt(f"{shown(entry.name)} has the unknown tar type {entry.type!r}")
        return entry

    def _extension(self, entry: Entry) -> bytes:
        if not 0 <= entry.size <= LARGEST_EXTENSION:
            raise HostileArchive(f"a tar extension header has {entry.size} bytes")
        data = self._source.exactly(entry.size)
        self._source.skip(-entry.size % BLOCK)
        return data

    # -- sparse files ---------------------------------------------------------------------

    def _sparse(
        self, entry: Entry, block: bytes, records: pax.Records, segments: list[tuple[int, int]]
    ) -> None:
        check_numbers(entry)
        padded = entry.stored + -entry.stored % BLOCK
        if entry.type == GNU_SPARSE:
            segments = self._old_map(entry, block)
        elif not pax.is_sparse(records):
            return
        else:
            pax.sparse_name_and_size(entry, records)
            if records.get(b"GNU.sparse.major") == b"1":
                segments = self._map_before_data(entry)
                padded = entry.stored + -entry.stored % BLOCK
            else:
                segments = segments or pax.sparse_map(records) or []
        entry.holes = [(offset, length) for offset, length in segments if length]
        _check_segments(entry, segments)
        self._padding = padded - entry.stored

    def _old_map(self, entry: Entry, block: bytes) -> list[tuple[int, int]]:
        """GNU's own format: four segments in the header, 21 in each block after it."""
        entry.type = REGULAR
        entry.size = number(block[483:495])
        segments = _old_segments(block[386:482])
        more = block[482]
        while more:
            if len(segments) > LARGEST_EXTENSION // 24:
                raise HostileArchive(f"{shown(entry.name)} has an endless sparse map")
            block = self._source.exactly(BLOCK)
            segments += _old_segments(block[:504])
            more = block[504]
        return segments

    def _map_before_data(self, entry: Entry) -> list[tuple[int, int]]:
        """Format 1.0: decimal lines in the first blocks of the data, zeros to the block's end."""
        text = b""
        count = -1
        while count < 0 or text.count(b"\n") < 1 + 2 * count:
            if len(text) >= min(entry.stored, LARGEST_EXTENSION):
                raise Corrupt(f"{shown(entry.name)} has a sparse map without end")
            text += self._source.exactly(BLOCK)
            if count < 0 and b"\n" in text:
                count = pax.decimal(text.partition(b"\n")[0], b"sparse map")
        entry.stored -= len(text)
        numbers = [pax.decimal(n, b"sparse map") for n in text.split(b"\n")[1 : 1 + 2 * count]]
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _old_segments(data: bytes) -> list[tuple[int, int]]:
    found = []
    for at in range(0, len(data), 24):
        if data[at] == 0:
            break
        found.append((number(data[at : at + 12]), number(data[at + 12 : at + 24])))
    return found


def _check_segments(entry: Entry, segments: list[tuple[int, int]]) -> None:
    """Segments lie in order, within the file, and are together what is stored."""
    end = total = 0
    for offset, length in segments:
        if offset < end or length < 0:
            raise HostileArchive(f"{shown(entry.name)} has a sparse map out of order")
        end = offset + length
        total += length
    if end > entry.size or total != entry.stored:
        raise HostileArchive(f"{shown(entry.name)} has a sparse map that does not fit its size")
