"""A layer in another encoding: gzip for registries, plain tar for old readers of archives."""

from __future__ import annotations

import errno
import os

from plugrun.errors import NoSpace
from plugrun.layers.decompress import GZIP_MAGIC, ZSTD_MAGIC, decompress
from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLAIN = "tar"
GZIP = "gzip"
ZSTD = "zstd"
_LEVEL = 2
_GZIP_FORMAT = 31  # zlib.h, deflateInit2: 16 more than the window's bits
_UNNAMED = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC


def encoding(fd: int) -> str:
    """Return how a blob is encoded, by its first bytes."""
    magic = os.pread(fd, 4, 0)
    if magic[:2] == GZIP_MAGIC:
        return GZIP
    return ZSTD if magic == ZSTD_MAGIC else PLAIN


def recoded(fd: int, wanted: str, folder: str) -> tuple[int, str]:
    """Return a file without a name in ``folder`` with a layer's other form, and its digest.

    ``fd`` is closed. The same layer always makes the same bytes: neither time nor name is in them.
    """
    from hashlib import sha256

    hasher = sha256()
    try:
        made = os.open(folder, _UNNAMED, 0o600)
        try:
            pieces = decompress(fd)
            for piece in _gzipped(pieces) if wanted == GZIP else pieces:
                hasher.update(piece)
                write_all(made, piece)
        except BaseException:
            os.close(made)
            raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoSpace(
            f"no space left in {folder} to recode a layer", hint="free some space"
        ) from None
    finally:
        os.close(fd)
    return made, f"sha256:{hasher.hexdigest()}"


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    from isal import isal_zlib

    stream = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP_FORMAT)
    for piece in pieces:
        if data := stream.compress(piece):
            yield data
    yield stream.flush()
