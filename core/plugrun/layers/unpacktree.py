"""Several layers into one tree of files, one over the other, without a storage."""

from __future__ import annotations

from queue import SimpleQueue

from plugrun.interfaces.storage import WHITEOUT_UNLINK
from plugrun.layers.workers import WorkerPool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from plugrun.layers.unpack import Unpacked


def unpack_layers(blobs: Iterable[str], tree: str) -> Generator[str, None, None]:
    """Unpack layers, lowest first, in a process of its own; yield the DiffID of each.

    Raise Corrupt, HostileArchive or NoSpace; the tree is then to be thrown away. Nothing outside
    of it is touched.
    """
    with WorkerPool(1) as pool:
        for blob in blobs:
            done: SimpleQueue[Unpacked | BaseException] = SimpleQueue()
            pool.unpack(blob, tree, WHITEOUT_UNLINK, lambda _: None, done.put)
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            yield result.diff_id
