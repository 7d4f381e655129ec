"""A layer that is made here: its bytes become a blob and a snapshot in one pass.

Who makes the layer writes its tar into a pipe; a worker process reads it once, finds its digest,
keeps it as the blob and unpacks it meanwhile. So making and unpacking go on at the same time, and
nothing that was just written is read or hashed again. Which snapshot it is, its ChainID, is known
at the end only: until then it has a key of its own.

Killed anywhere, it leaves an active snapshot and a nameless blob, which the next command that
heals frees, or a committed layer of no image, which the next collection does.
"""

from __future__ import annotations

import fcntl
import os

from plugrun.engine.images.layersizes import keep_layer_size
from plugrun.engine.images.layerwork import Layer
from plugrun.engine.images.manifests import chain_id
from plugrun.engine.images.transfer import sync_filesystem
from plugrun.errors import AlreadyExists, NoSuchSnapshot
from plugrun.interfaces.storage import INDEPENDENT_LAYERS
from plugrun.layers.implied import complete
from plugrun.layers.keeping import keep_apart
from plugrun.linux.filesystem import unlink
from plugrun.model.descriptor import Descriptor
from plugrun.model.image import LAYER_TAR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import LayerTree
    from plugrun.layers.unpack import Unpacked

    Made = int | Callable[[int], None]

_PIPE_SIZE = 1 << 20


def make_layer(engine: Engine, below: str | None, made: Made) -> Descriptor:
    """Commit a layer over ``below``, a ChainID or None, and return its blob, which is received.

    ``made`` is a file's descriptor with an archive, compressed or not, or writes a tar into the
    descriptor it gets. What it raises, and Corrupt, HostileArchive and NoSpace, leave nothing. The
    caller holds the lock ``images``.
    """
    fd, path = engine.content.begin()
    try:
        told = _snapshot(engine, below, made, fd)
        size = os.fstat(fd).st_size
        engine.content.received_as(told.diff_id, path)
    except BaseException:
        unlink(path)  # it may be in its place already
        raise
    finally:
        os.close(fd)
    return Descriptor(LAYER_TAR, told.diff_id, size)


def _snapshot(engine: Engine, below: str | None, made: Made, kept: int) -> Unpacked:
    storage = engine.storage()
    key = f"made-{os.getpid()}-{os.urandom(8).hex()}"
    storage.prepare(key, below)
    try:
        tree = storage.layer_tree(key)
        told = _unpacked(tree, made, kept)
        if INDEPENDENT_LAYERS in storage.capabilities:
            complete(tree, told)
        layer = Layer(0, chain_id(below, told.diff_id), told.diff_id, told.diff_id)
        with engine.locks.exclusive(layer.lock):
            keep_layer_size(engine, layer.chain, told.bytes)
            sync_filesystem(engine)
            storage.commit(layer.chain, key)
    except AlreadyExists:
        storage.remove(key)
    except BaseException:
        _remove(engine, key)
        raise
    return told


def _remove(engine: Engine, key: str) -> None:
    try:
        engine.storage().remove(key)
    except NoSuchSnapshot:
        return


def _unpacked(tree: LayerTree, made: Made, kept: int) -> Unpacked:
    if isinstance(made, int):
        source = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, 3)  # 0 is something else to the process
        keeper = keep_apart(source, kept, tree.path, tree.whiteouts)
        try:
            return keeper.result()
        finally:
            keeper.end()
    source, sink = _pipe()
    with open(sink, "wb", buffering=0) as end:
        keeper = keep_apart(source, kept, tree.path, tree.whiteouts, sink)
        try:
            broken = _write(made, sink)
            end.close()
            result = keeper.result()
        finally:
            keeper.end()
    if broken is not None:
        raise broken
    return result


def _write(made: Callable[[int], None], sink: int) -> BrokenPipeError | None:
    """Write the layer; if nobody reads it any more, the worker's result tells why."""
    try:
        made(sink)
    except BrokenPipeError as error:
        return error
    return None


def _pipe() -> tuple[int, int]:
    source, sink = os.pipe2(os.O_CLOEXEC)
    try:
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
    except PermissionError:
        pass  # over this user's limit for all pipes (pipe(7)): it stays as it is
    return source, sink
