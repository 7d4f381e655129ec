"""From a file, a pipe or standard input to an uncompressed tar that can be read anywhere.

A plain tar in a file is read where it lies. All else goes through a temporary file without a
name (TMPDIR, or /var/tmp), which its last descriptor takes with it.
"""

from __future__ import annotations

import errno
import io
import os
import stat

from plugrun.api import Corrupt, InvalidArgument, NoSpace, TransportError, expansion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from typing import Any

_PIECE = 1 << 20
_INPUT = 1 << 18
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY
# What an archive may not take from the file system it is spooled to.
_RESERVE = 64 << 20

_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"


def open_tar(path: str) -> int:
    """Return a descriptor of an uncompressed, seekable tar; ``-`` is standard input."""
    try:
        fd = os.dup(0) if path == "-" else os.open(path, _READ)
    except OSError as error:
        raise TransportError(f"open {path}: {(error.strerror or '').lower()}") from None
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise InvalidArgument(f"{path} is a folder, not an archive")
        start = _start(fd)
        seekable = stat.S_ISREG(os.fstat(fd).st_mode)
        if seekable and os.lseek(fd, 0, os.SEEK_CUR) == 0 and not _is_compressed(start):
            return fd
        spooled = _spool(_plain(fd, start))
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return spooled


def _start(fd: int) -> bytes:
    """Return the first bytes; they are taken from a pipe, and not from a file."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return os.pread(fd, 8, os.lseek(fd, 0, os.SEEK_CUR))
    start = b""
    while len(start) < 8 and (piece := os.read(fd, 8 - len(start))):
        start += piece
    return start


def _is_compressed(start: bytes) -> bool:
    return start.startswith((_GZIP, _BZIP2, _XZ, _ZSTD))


def _plain(fd: int, start: bytes) -> Iterator[bytes]:
    source = _Input(fd, b"" if stat.S_ISREG(os.fstat(fd).st_mode) else start)
    unpacked = _unpacked(source, start)
    return source if unpacked is None else _bounded(unpacked, source)


def _unpacked(source: Iterator[bytes], start: bytes) -> Iterator[bytes] | None:
    if start.startswith(_GZIP):
        from isal import igzip_lib

        return _inflated(source, lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))
    if start.startswith(_BZIP2):
        import bz2

        return _inflated(source, bz2.BZ2Decompressor)
    if start.startswith(_XZ):
        import lzma

        return _inflated(source, lambda: lzma.LZMADecompressor(memlimit=256 << 20))
    if start.startswith(_ZSTD):
        return _zstd(source)
    return None


def _bounded(pieces: Iterator[bytes], source: _Input) -> Iterator[bytes]:
    """Pass on what a compressed archive comes to; raise HostileArchive if that is too much."""
    made = 0
    for piece in pieces:
        made += len(piece)
        expansion.check(made, expansion.largest(source.count))
        yield piece


class _Input:
    """What is read, in pieces; ``count`` is how many bytes that were."""

    def __init__(self, fd: int, start: bytes) -> None:
        self._fd = fd
        self._start = start
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece, self._start = self._start, b""
        piece = piece or os.read(self._fd, _INPUT)
        if not piece:
            raise StopIteration
        self.count += len(piece)
        return piece


def _inflated(source: Iterator[bytes], make: Any) -> Iterator[bytes]:
    """Decompress one stream after another; zeros may pad the end, as with tapes."""
    rest = b""
    while (rest := rest.lstrip(b"\0")) or (rest := next(source, b"").lstrip(b"\0")):
        stream = make()
        while not stream.eof:
            piece = _step(stream, rest)
            rest = b""
            if piece:
                yield piece
            if stream.needs_input and not stream.eof:
                rest = next(source, b"")
                if not rest:
                    raise Corrupt("the archive's compressed stream ends in the middle")
        rest = stream.unused_data


def _step(stream: Any, data: bytes) -> bytes:
    import lzma

    from isal import igzip_lib

    damage: Any = (igzip_lib.error, lzma.LZMAError, OSError, EOFError)
    try:
        piece: bytes = stream.decompress(data, _PIECE)
    except damage as error:
        raise Corrupt(f"the archive's compressed stream is damaged: {error}") from None
    return piece


def _zstd(source: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    reader = zstandard.ZstdDecompressor(max_window_size=128 << 20).stream_reader(
        io.BufferedReader(_Stream(source)), read_size=_INPUT, read_across_frames=True
    )
    while True:
        try:
            piece = reader.read(_PIECE)
        except zstandard.ZstdError as error:
            raise Corrupt(f"the archive's compressed stream is damaged: {error}") from None
        if not piece:
            return
        yield piece


class _Stream(io.RawIOBase):
    """Pieces as something to read from."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._rest = b""

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill in some bytes; none at the end."""
        data = self._rest or next(self._source, b"")
        count = min(len(buffer), len(data))
        buffer[:count], self._rest = data[:count], data[count:]
        return count


def spool_folder() -> str:
    """Return where large temporary files go."""
    return os.environ.get("TMPDIR") or "/var/tmp"


def spool_file() -> FileIO:
    """Return a temporary file without a name, for what may be large."""
    import tempfile

    return tempfile.TemporaryFile(dir=spool_folder(), buffering=0)


def _spool(pieces: Iterator[bytes]) -> int:
    folder = spool_folder()
    try:
        with spool_file() as file:
            _fill(file.fileno(), pieces)
            return os.dup(file.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise TransportError(f"cannot read the archive: {error}") from error
        raise NoSpace(
            f"no space left in {folder} for the uncompressed archive",
            hint="free some space, or let TMPDIR name another folder",
        ) from None


def _fill(fd: int, pieces: Iterator[bytes]) -> None:
    written = checked = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(fd, rest) :]
        written += len(piece)
        if written - checked >= _RESERVE // 2:
            checked = written
            found = os.fstatvfs(fd)
            if found.f_bavail * found.f_frsize < _RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
