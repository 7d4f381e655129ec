"""A state's layers in the storage in force: there already, or unpacked from their blobs."""

from __future__ import annotations

import os

from plugrun.errors import NoSuchSnapshot, NotFound
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.storage import COMMITTED
from plugrun.model.descriptor import Descriptor
from plugrun.model.image import CONFIG_OCI, LAYER_TAR, Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.build.state import StageState
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Resolved
    from plugrun.model.descriptor import Platform


def have_unpacked(engine: Engine, state: StageState) -> None:
    """Have all layers in the profile's storage, where the next one goes.

    They may have been made for another. Raise NotFound if a blob is gone, Corrupt, NoSpace.
    """
    storage = engine.storage()
    if not state.chain or _has(storage, state.top):
        return
    from plugrun.engine.images.arrival import Arrival, PullObserver
    from plugrun.engine.images.layerwork import committed_count

    if committed_count(storage, state.chain) == len(state.chain):
        return
    content = engine.content
    layers = []
    for digest in state.blobs:
        if not content.has(digest):
            raise _gone(digest)
        size = os.stat(content.path(digest)).st_size
        layers.append(Descriptor(LAYER_TAR, digest, size))
    # The config's digest names nothing but a lock.
    manifest = Manifest(Descriptor(CONFIG_OCI, state.top, 0), tuple(layers))
    arrival = Arrival(
        engine, _Store(), None, PullObserver(), "the build cache", storage=storage, from_store=True
    )
    arrival.unpack(manifest, state.diff_ids)


def _has(storage: Storage, chain: str) -> bool:
    """Whether a storage has the topmost layer, and so all beneath it."""
    try:
        return storage.stat(chain).kind == COMMITTED
    except NoSuchSnapshot:
        return False


def _gone(digest: str) -> NotFound:
    return NotFound(
        f"a step that was built before cannot be used: its blob {digest} is gone from the store",
        hint="plugrun builder prune -a, and build again",
    )


class _Store:
    """What would be asked for blobs: they are all here, or it is too late."""

    capabilities = frozenset(("pull",))

    def resolve(self, platform: Platform) -> Resolved:
        raise NotFound("the build cache is asked of no registry")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        raise _gone(descriptor.digest)

    def probe(self) -> Probe:
        return Probe(True)

    def close(self) -> None:
        """Nothing is held."""
