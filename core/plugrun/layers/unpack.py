"""A layer's blob into a tree: decompression and DiffID in one thread, entries in another.

A layer that is made here is unpacked, hashed and kept as a blob from one reading of its bytes; a
third thread writes the blob.
"""

from __future__ import annotations

import os
import stat

from plugrun.layers.apply import Application
from plugrun.layers.decompress import PIECE, decompress
from plugrun.layers.failures import explained
from plugrun.layers.tarstream import TarStream
from plugrun.layers.writingback import WritingBack
from plugrun.linux.filesystem import begin_writing_back
from plugrun.linux.writing import write_all
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterator
    from queue import Queue

    Progress = Callable[[int], None]

_AHEAD = 4  # pieces of 1 MiB waiting
_BACK_AT = 8 << 20  # bytes that are kept before the disk begins to write them
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@record
class Unpacked:
    """What unpacking a layer told.

    ``bytes`` is the sum of its files' sizes. ``implied`` are the folders without an entry, in
    order, ``whited`` the folders in which whiteouts were made, and ``emptied`` if all that lower
    layers have is deleted: see ``plugrun.layers.implied``.
    """

    diff_id: str
    bytes: int
    implied: tuple[builtins.bytes, ...]
    whited: tuple[builtins.bytes, ...]
    emptied: bool


def unpack_layer(
    blob: str, tree: str, whiteouts: str, progress: Progress | None = None
) -> Unpacked:
    """Unpack a layer's blob into a tree; the style of ``whiteouts`` is LayerTree's.

    ``progress`` hears how much of the blob has been read, at times. Raise Corrupt,
    HostileArchive or NoSpace; the tree is then to be thrown away. Changes the process's umask
    while it runs: meant for a process that does nothing else.
    """
    fd = os.open(blob, _READ)
    try:
        return _unpack(HashedStream(fd, progress), tree, whiteouts)
    finally:
        os.close(fd)


def keep_layer(source: int, kept: int, tree: str, whiteouts: str) -> Unpacked:
    """Unpack what comes from a descriptor, and write it uncompressed into another.

    A file is read from its start and may be compressed; what comes from a pipe is taken as it is.
    As ``unpack_layer`` otherwise.
    """
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with WritingBack((fd, kept)):
            return _unpack(HashedStream(source, None, kept), tree, whiteouts)
    finally:
        os.close(fd)


def _unpack(stream: HashedStream, tree: str, whiteouts: str) -> Unpacked:
    umask = os.umask(0)
    application = Application(tree, whiteouts)
    try:
        with stream:
            application.run(TarStream(stream.pieces()))
        ledger = application.ledger
        return Unpacked(
            stream.diff_id,
            application.bytes,
            tuple(ledger.implied_from_below()),
            tuple(sorted({path.rpartition(b"/")[0] for path in ledger.whiteouts})),
            b"" in ledger.opaque,
        )
    finally:
        application.close()
        os.umask(umask)


class HashedStream:
    """A layer's uncompressed bytes, made in a thread, and their digest; ``kept`` gets them too."""

    def __init__(self, fd: int, progress: Progress | None, kept: int = -1) -> None:
        import hashlib

        self._fd = fd
        self._progress = progress
        self._kept = kept
        self._hash = hashlib.sha256()
        self._stopped = False

    def __enter__(self) -> HashedStream:
        from queue import Queue
        from threading import Thread

        self._queue: Queue[bytes | BaseException] = Queue(_AHEAD)
        self._keeping: Queue[bytes] = Queue(_AHEAD)
        self._thread = Thread(target=self._produce, name="decompress", daemon=True)
        self._keeper = Thread(target=self._keep, name="keep", daemon=True)
        if self._kept >= 0:
            self._keeper.start()  # first, as the other waits for its end
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        while self._thread.is_alive():
            _discard(self._queue)
            self._thread.join(0.01)

    @property
    def diff_id(self) -> str:
        """The digest of all bytes; right once they have been read to the end."""
        return f"sha256:{self._hash.hexdigest()}"

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes; raise what went wrong in making them, or in keeping them."""
        while True:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            if not item:
                return
            if self._progress:
                self._progress(os.lseek(self._fd, 0, os.SEEK_CUR))
            yield item

    def _produce(self) -> None:
        end: bytes | BaseException = b""
        try:
            self._make()
        except BaseException as error:  # noqa: BLE001  (handed over and raised in `pieces`)
            end = error
        if self._kept >= 0:
            self._keeping.put(b"")
            self._keeper.join()  # what it has to say is said before the end
        self._queue.put(end)

    def _make(self) -> None:
        for piece in self._plain():
            if self._kept >= 0:
                self._keeping.put(piece)
            self._queue.put(piece)
            self._hash.update(piece)
            if self._stopped:
                return

    def _plain(self) -> Iterator[bytes]:
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            return decompress(self._fd)
        return iter(lambda: os.read(self._fd, PIECE), b"")

    def _keep(self) -> None:
        begun = written = 0
        while (piece := self._keeping.get()) and not self._stopped:
            try:
                write_all(self._kept, piece)
                written += len(piece)
                if written - begun >= _BACK_AT:
                    begin_writing_back(self._kept, begun, written - begun)
                    begun = written
            except OSError as error:
                self._queue.put(explained(error, "the layer into the store"))
                break
        while piece:
            piece = self._keeping.get()  # who makes them must not wait for room


def _discard(queue: Queue[bytes | BaseException]) -> None:
    from queue import Empty

    try:
        while True:
            queue.get_nowait()
    except Empty:
        return
