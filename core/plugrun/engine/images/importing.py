"""``import``: an image of one layer, from any tar archive."""

from __future__ import annotations

import errno
import itertools
import os
import stat

from plugrun.engine.images.events import emit_image
from plugrun.engine.images.instructions import apply_instructions
from plugrun.engine.images.newimage import NewImage, make_image
from plugrun.errors import InvalidArgument
from plugrun.layers.decompress import MAGIC_LENGTH, decompress, is_compressed
from plugrun.linux.writing import write_all
from plugrun.model.descriptor import host_platform
from plugrun.model.record import record
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.layermaking import Made
    from plugrun.model.descriptor import Platform

_PIECE = 1 << 20


@record
class ImportRequest:
    """``name`` is empty for an image without one; ``message`` what its history says."""

    name: str
    message: str
    changes: tuple[str, ...] = ()
    platform: Platform | None = None


def import_file(engine: Engine, request: ImportRequest, fd: int) -> str:
    """Make an image of an archive that is read from a descriptor; return its ID.

    The archive may be compressed, with gzip, bzip2, xz or zstd: its first bytes tell. Raise
    Corrupt and HostileArchive on what is no tar, InvalidArgument on a name or change that is none,
    and on a folder.
    """
    refuse_folder(fd)
    if stat.S_ISREG(os.fstat(fd).st_mode) and os.lseek(fd, 0, os.SEEK_CUR) == 0:
        return _import(engine, request, fd)
    begin = _begin_of(fd)
    if is_compressed(begin):
        rest = iter(lambda: os.read(fd, _PIECE), b"")
        return import_stream(engine, request, itertools.chain((begin,), rest))
    return _import(engine, request, lambda sink: _pass_on(begin, fd, sink))


def _begin_of(fd: int) -> bytes:
    """Read as much as tells how an archive is compressed, or all that there is."""
    begin = b""
    while len(begin) < MAGIC_LENGTH and (piece := os.read(fd, MAGIC_LENGTH - len(begin))):
        begin += piece
    return begin


def _pass_on(begin: bytes, fd: int, pipe: int) -> None:
    """Write a beginning and what follows it into a pipe, by the kernel where it can: splice(2)."""
    write_all(pipe, begin)
    try:
        while os.splice(fd, pipe, _PIECE):
            pass
    except OSError as error:
        if error.errno != errno.EINVAL:  # between these two it cannot
            raise
        while piece := os.read(fd, _PIECE):
            write_all(pipe, piece)


def refuse_folder(fd: int) -> None:
    """Raise InvalidArgument if what should be an archive is a folder."""
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        raise InvalidArgument("a folder is no archive", hint="pack it: tar -c -C FOLDER .")


def import_stream(engine: Engine, request: ImportRequest, chunks: Iterable[bytes]) -> str:
    """The same from bytes as they come; what they raise passes."""
    pieces = plain_pieces(engine, iter(chunks))
    return _import(engine, request, lambda fd: _write(pieces, fd))


def _import(engine: Engine, request: ImportRequest, made: Made) -> str:
    reference = parse_reference(request.name) if request.name else None
    wanted = NewImage(
        None,
        request.platform or host_platform(),
        apply_instructions({}, request.changes),
        "",
        {"comment": request.message},
        str(reference) if reference else "",
    )
    id = make_image(engine, wanted, made)
    emit_image(engine, "import", id, reference.familiar if reference else id)
    return id


def _write(pieces: Iterator[bytes], fd: int) -> None:
    for piece in pieces:
        write_all(fd, piece)


def plain_pieces(engine: Engine, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress a stream; a compressed one is put aside first, as it is the smaller one."""
    begin = b""
    for chunk in chunks:
        begin += chunk
        if len(begin) >= MAGIC_LENGTH:
            break
    if not is_compressed(begin):
        yield begin
        yield from chunks
        return
    fd, path = engine.content.begin()
    try:
        os.unlink(path)
        write_all(fd, begin)
        for chunk in chunks:
            write_all(fd, chunk)
        yield from decompress(fd)
    finally:
        os.close(fd)
