"""An image that is here, unpacked for another storage than those that have it.

Every image keeps its blobs, so a storage that lacks its layers gets them without asking anybody:
when a container is made, when a commit stands on it, when a container moves. It goes the way of a
pull whose blobs have all arrived; two commands that want the same share the work.
"""

from __future__ import annotations

import os

from plugrun.engine.images.arrival import Arrival
from plugrun.engine.images.blobs import layer_blob
from plugrun.engine.images.layerwork import committed_count
from plugrun.engine.images.manifests import LARGEST_CONFIG, parse_image_config
from plugrun.engine.images.regaining import how_to_regain
from plugrun.errors import Corrupt, DigestMismatch, NotFound, PlugrunError
from plugrun.interfaces.backend import Probe
from plugrun.model.descriptor import Descriptor
from plugrun.model.image import CONFIG_OCI, LAYER_TAR, Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Resolved
    from plugrun.model.descriptor import Platform
    from plugrun.model.image import Image


def is_unpacked(storage: Storage, image: Image) -> bool:
    """Whether a storage has all of an image's layers."""
    return committed_count(storage, image.chain) == len(image.chain)


def unpack(
    engine: Engine,
    image: Image,
    storage: Storage,
    called: tuple[str, str],
    observer: Callable[[], PullObserver],
) -> None:
    """Unpack an image's layers for a storage that lacks some; ``called`` are both names.

    Raise NotFound if a blob is gone, Corrupt and its kinds if one is damaged, NoSpace: nothing
    that is not whole is left then. The caller holds the lock ``images``.
    """
    familiar, backend = called
    manifest = _manifest(engine, image, familiar)
    config = parse_image_config(engine.content.read(image.id, LARGEST_CONFIG))
    shown = observer()
    shown.unpacking(familiar, backend)
    source = _Store(engine, image, familiar)
    arrival = Arrival(engine, source, None, shown, familiar, storage=storage, from_store=True)
    try:
        arrival.unpack(manifest, config.diff_ids)
    except Corrupt as error:
        raise _damaged(engine, image, manifest, familiar) or error from error


def _manifest(engine: Engine, image: Image, familiar: str) -> Manifest:
    """Return what is here of an image as a manifest: the blobs that hold its layers."""
    layers = []
    for number, own in enumerate(image.layers):
        digest = layer_blob(engine, image, number)
        if not digest:
            raise _gone(engine, image, own, familiar)
        size = os.stat(engine.content.path(digest)).st_size
        layers.append(Descriptor(LAYER_TAR, digest, size))
    return Manifest(Descriptor(CONFIG_OCI, image.id, 0), tuple(layers))


def _gone(engine: Engine, image: Image, digest: str, familiar: str) -> NotFound:
    return NotFound(
        f"image {familiar} cannot be unpacked: its blob {digest} is gone from the store",
        hint=how_to_regain(engine, image, (digest,)),
    )


def _damaged(
    engine: Engine, image: Image, manifest: Manifest, familiar: str
) -> PlugrunError | None:
    """Return what to say if a blob was changed since it came; None if it is as it came."""
    for layer in manifest.layers:
        if engine.content.has(layer.digest) and not engine.content.is_whole(layer.digest):
            return DigestMismatch(
                f"image {familiar} cannot be unpacked: its blob {layer.digest} was changed or "
                "damaged in the store",
                hint=how_to_regain(engine, image, (layer.digest,)),
            )
    return None


class _Store:
    """What a pull would ask for blobs: they are all here, or it is too late."""

    capabilities = frozenset(("pull",))

    def __init__(self, engine: Engine, image: Image, familiar: str) -> None:
        self._engine = engine
        self._image = image
        self._familiar = familiar

    def resolve(self, platform: Platform) -> Resolved:
        raise NotFound(f"{self._familiar} is asked of no registry")

    def fetch(self, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        raise _gone(self._engine, self._image, descriptor.digest, self._familiar)

    def probe(self) -> Probe:
        return Probe(True)

    def close(self) -> None:
        """Nothing is held."""
