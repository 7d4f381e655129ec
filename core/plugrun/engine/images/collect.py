"""Frees the layers and blobs that no image refers to; only while nothing is brought here."""

from __future__ import annotations

from plugrun.engine.fence.accountcache import forget_accounts
from plugrun.engine.heal import stored_backends
from plugrun.engine.images.blobs import referenced_blobs
from plugrun.engine.images.layersizes import forget_layer_size, layer_size, sized_layers
from plugrun.errors import Conflict, NoSuchSnapshot
from plugrun.interfaces.storage import COMMITTED
from plugrun.store.buildcache import held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image


def collect(engine: Engine, gone: Image) -> tuple[str, ...]:
    """Free the layers and blobs of an image that nothing else refers to; return ChainIDs freed."""
    lock = engine.locks.try_exclusive("images")
    if lock is None:
        return ()
    with lock:
        kept = kept_layers(engine)
        freed = [chain for chain in reversed(gone.chain) if chain not in kept]
        for chain in freed:
            free_layer(engine, chain)
        _free_blobs(engine)
    return tuple(freed)


def collect_orphans(engine: Engine) -> int:
    """Free layers that a pull left which never came to its end; return their size in bytes."""
    lock = engine.locks.try_exclusive("images")
    if lock is None:
        return 0
    with lock:
        kept = kept_layers(engine)
        orphans = [
            snapshot.key
            for storage in stored_backends(engine)
            for snapshot in storage.walk()
            if snapshot.kind == COMMITTED and snapshot.key not in kept
        ]
        # Where an image is one snapshot, only their sizes tell of the layers beneath its top.
        beneath = {chain for chain in sized_layers(engine) if chain not in kept}
        size = sum(layer_size(engine, chain) for chain in beneath.union(orphans)) if orphans else 0
        # Children come after their parents.
        for chain in reversed(orphans):
            free_layer(engine, chain)
        for chain in beneath:
            forget_layer_size(engine, chain)
        _free_blobs(engine)
    return size


def kept_layers(engine: Engine) -> set[str]:
    """Return the ChainIDs that an image has, or that a step of a build may be found by."""
    kept = {chain for image in engine.metadata.images() for chain in image.chain}
    return kept.union(held(engine.root).chains)


def free_layer(engine: Engine, chain: str) -> None:
    """Remove a layer from every storage that has it; one that has children still stays."""
    for storage in stored_backends(engine):
        try:
            storage.remove(chain)
        except (NoSuchSnapshot, Conflict):
            continue
    forget_accounts(engine, chain)
    forget_layer_size(engine, chain)


def _free_blobs(engine: Engine) -> None:
    kept = referenced_blobs(engine)
    for digest in list(engine.content.walk()):
        if digest not in kept:
            engine.content.remove(digest)
    engine.content.discard_partial()
