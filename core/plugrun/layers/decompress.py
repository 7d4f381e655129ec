"""Decompression by what the bytes are: gzip, zstd, bzip2, xz or plain tar.

The magic number decides and not the media type: registries are full of layers whose media type
says gzip and that are plain tar. Output comes in pieces of bounded
size, so a bomb costs disk and never memory; how much is in ``expansion``.
"""

from __future__ import annotations

import os

from plugrun.errors import Corrupt
from plugrun.layers.expansion import bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PIECE = 1 << 20
_INPUT = 1 << 18
# What xz -9 needs is 65 MiB; a header may ask for 4 GiB.
_XZ_MEMORY = 256 << 20

GZIP_MAGIC = b"\x1f\x8b"
MAGIC_LENGTH = 6
BZIP2_MAGIC = b"BZh"
XZ_MAGIC = b"\xfd7zXZ\0"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Frames that a decoder skips: RFC 8878 section 3.1.2; zstd:chunked layers have some.
_ZSTD_SKIPPABLE = tuple(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))


def decompress(fd: int) -> Iterator[bytes]:
    """Yield a blob's uncompressed bytes from the start of a seekable file, at most 1 MiB each.

    Raise Corrupt if it is truncated or not what its magic number says, and HostileArchive if it
    comes to more than ``expansion.largest`` allows.
    """
    magic = os.pread(fd, MAGIC_LENGTH, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    if magic[:2] == GZIP_MAGIC:
        return bounded(_gzip(fd), fd)
    if magic[:4] == ZSTD_MAGIC or magic[:4] in _ZSTD_SKIPPABLE:
        return bounded(_zstd(fd), fd)
    if magic[:3] == BZIP2_MAGIC or magic == XZ_MAGIC:
        return bounded(_rare(fd, magic), fd)
    return _plain(fd)


def is_compressed(magic: bytes) -> bool:
    """Whether a stream that begins with these ``MAGIC_LENGTH`` bytes is compressed."""
    begins = (GZIP_MAGIC, ZSTD_MAGIC, BZIP2_MAGIC, XZ_MAGIC, *_ZSTD_SKIPPABLE)
    return magic.startswith(begins)


def _rare(fd: int, magic: bytes) -> Iterator[bytes]:
    """Decompress bzip2 or xz, every stream of it; bombs are bounded as elsewhere."""
    import bz2
    import lzma

    def begin() -> Any:
        if magic != XZ_MAGIC:
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    decoder, data = begin(), os.read(fd, _INPUT)
    while True:
        try:
            piece = decoder.decompress(data, PIECE)
        except (OSError, lzma.LZMAError) as error:
            raise Corrupt(f"a compressed archive is damaged: {error}") from None
        if piece:
            yield piece
        data = b""
        if decoder.eof:
            data = decoder.unused_data.lstrip(b"\0") or os.read(fd, _INPUT).lstrip(b"\0")
            if not data:
                return
            decoder = begin()
        elif decoder.needs_input:
            data = os.read(fd, _INPUT)
            if not data:
                raise Corrupt("a compressed archive ends in the middle")


def _plain(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, PIECE):
        yield piece


def _gzip(fd: int) -> Iterator[bytes]:
    """Decompress every member of a gzip file (RFC 1952 section 2.2); zeros may pad it."""
    from isal import igzip_lib

    rest = os.read(fd, _INPUT)
    while rest:
        if rest[:2] != GZIP_MAGIC:
            raise Corrupt("a gzip layer has other data after its end")
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        yield from _member(fd, member, rest)
        rest = _after_padding(fd, member.unused_data)


def _after_padding(fd: int, rest: bytes) -> bytes:
    """Return what follows zeros, at least a magic number's length, or nothing at the end."""
    while len(rest := rest.lstrip(b"\0")) < len(GZIP_MAGIC):
        more = os.read(fd, _INPUT)
        if not more:
            return rest
        rest += more
    return rest


def _member(fd: int, member: Any, data: bytes) -> Iterator[bytes]:
    from isal import igzip_lib

    damaged: Any = igzip_lib.error
    while not member.eof:
        try:
            piece = member.decompress(data, PIECE)
        except damaged as error:
            raise Corrupt(f"a gzip layer is damaged: {error}") from None
        if piece:
            yield piece
        data = b""
        if member.needs_input and not member.eof:
            data = os.read(fd, _INPUT)
            if not data:
                raise Corrupt("a gzip layer ends in the middle")


def _zstd(fd: int) -> Iterator[bytes]:
    """Decompress every frame of a zstd file (RFC 8878 section 3.1).

    A stream cut short ends here without an error; tar's end or the DiffID tells.
    """
    import zstandard

    with os.fdopen(os.dup(fd), "rb", buffering=0) as source:
        reader = zstandard.ZstdDecompressor().stream_reader(
            source, read_size=_INPUT, read_across_frames=True
        )
        while True:
            try:
                piece = reader.read(PIECE)
            except zstandard.ZstdError as error:
                raise Corrupt(f"a zstd layer is damaged: {error}") from None
            if not piece:
                return
            yield piece
