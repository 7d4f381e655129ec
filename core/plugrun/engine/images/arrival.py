"""An image on its way into the store, whatever its transport: the middle of pull and load.

Blobs are received in threads and unpacked in processes as soon as each is whole; the calling
thread alone talks to the storage, the metadata and the observer. Nothing counts before it is on
the disk: bytes are synced, blobs published and layers committed by renaming; these are synced, and
the image is named. Interrupted at any moment it leaves what is whole, and the next pull goes on
from there.
"""

from __future__ import annotations

import contextlib

from plugrun.engine.images.blobs import layer_blobs, referenced_blobs
from plugrun.engine.images.documents import Documents
from plugrun.engine.images.find import find_name
from plugrun.engine.images.layersizes import layers_size
from plugrun.engine.images.layerwork import Layer, committed_count
from plugrun.engine.images.manifests import LARGEST_CONFIG, chain_ids, parse_image_config
from plugrun.engine.images.transfer import (
    DOWNLOADED,
    DOWNLOADING,
    EXISTS,
    Transfer,
    short,
    sync_filesystem,
)
from plugrun.errors import AlreadyExists, Corrupt, NoMatchingPlatform
from plugrun.model.descriptor import host_platform, normal_platform, platform_order
from plugrun.model.image import Image, ImageName
from plugrun.model.jsontext import loads
from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Resolved, Transport
    from plugrun.model.descriptor import Descriptor, Platform
    from plugrun.model.image import ImageConfig, Manifest

_ATTEMPTS = 3


class PullObserver:
    """Hears of a pull's progress, in the thread that pulls; here it does nothing."""

    def resolved(self, familiar_name: str, tag: str, digest: str) -> None:
        """The reference was found; ``tag`` is empty for one by digest."""

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """A layer is in a state, in Docker's words; bytes where they are counted, of the blob."""

    def done(self, digest: str, up_to_date: bool, familiar: str) -> None:
        """The image is complete and named."""

    def missing(self, familiar: str) -> None:
        """Somebody wants to run an image that is not here; it is about to be pulled."""

    def unpacking(self, familiar: str, storage: str) -> None:
        """An image is here, and another storage than before wants its layers."""


@record
class Arrived:
    """The image's ID, and whether all of it was here and named so before."""

    image: str
    up_to_date: bool


class Arrival:
    """Brings one image here; ``familiar`` is what messages call it.

    Its layers go into ``storage``, the profile's unless another is given. ``from_store`` says that
    the transport has no blobs but the store's own: none that was lost can be had from it, except
    one that was made just now.
    """

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        asked: Platform | None,
        observer: PullObserver,
        familiar: str,
        *,
        storage: Storage | None = None,
        from_store: bool = False,
    ) -> None:
        self._engine = engine
        self._storage = storage or engine.storage()
        self._from_store = from_store
        self._content = engine.content
        self._transport = transport
        self._asked = asked
        self._wanted = asked or host_platform()
        self._observer = observer
        self._documents = Documents(engine.content, transport)
        self._familiar = familiar

    def bring(self, resolved: Resolved, names: Sequence[ImageName], address: str = "") -> Arrived:
        """Bring what was resolved, and verified; give it these names (``image`` is filled in).

        ``address`` stands for the first name from now on. Raise NoMatchingPlatform, Corrupt and
        its kinds, NoSpace, and what the transport raises. The caller holds the lock ``images``.
        """
        described, manifest = self._documents.manifest(resolved, self._wanted, self._familiar)
        config = parse_image_config(self._documents.take(manifest.config, LARGEST_CONFIG))
        self._check(manifest, config, is_choice=described is not resolved.descriptor)
        chain = chain_ids(config.diff_ids)
        own = [replace(name, image=manifest.config.digest) for name in names]
        up_to_date = self._is_here(own, described, manifest, chain)
        if not up_to_date:
            with self._engine.locks.exclusive(f"image-{manifest.config.digest[7:]}"):
                self._layers(manifest, config.diff_ids, chain)
                sync_filesystem(self._engine)
                self._add(own, address, described, manifest, config, chain)
        else:
            self._say_existing(manifest.layers)
        return Arrived(manifest.config.digest, up_to_date)

    def unpack(self, manifest: Manifest, diff_ids: tuple[str, ...]) -> None:
        """Unpack layers alone: of an image that is known, and whose blobs are here.

        Raise Corrupt and its kinds, NoSpace. The caller holds the lock ``images``.
        """
        with self._engine.locks.exclusive(f"image-{manifest.config.digest[7:]}"):
            self._layers(manifest, diff_ids, chain_ids(diff_ids))
            sync_filesystem(self._engine)

    def _check(self, manifest: Manifest, config: ImageConfig, *, is_choice: bool) -> None:
        """Refuse an image whose parts do not belong together, or that is for another platform."""
        if len(manifest.layers) != len(config.diff_ids):
            raise Corrupt(
                f"{self._familiar} has {len(manifest.layers)} layers, and its config "
                f"{len(config.diff_ids)} diff_ids"
            )
        actual = normal_platform(config.os, config.architecture, config.variant)
        fits = actual in platform_order(self._wanted)
        if fits or is_choice or (self._asked is None and actual.os == self._wanted.os):
            return
        raise NoMatchingPlatform(
            f"image with reference {self._familiar} was found but does not match the specified "
            f"platform: wanted {self._wanted}, actual: {actual}"
        )

    # -- what is here already -------------------------------------------------------------

    def _is_here(
        self,
        names: Sequence[ImageName],
        described: Descriptor,
        manifest: Manifest,
        chain: tuple[str, ...],
    ) -> bool:
        """Whether the names stand for this image, and all of that is in the store."""
        image = manifest.config.digest
        return (
            all(self._is_named(name) for name in names)
            and self._engine.metadata.image(image) is not None
            and self._content.has(described.digest, described.size)
            and self._content.has(image, manifest.config.size)
            and committed_count(self._storage, chain) == len(chain)
            and not self._lost(manifest, chain)
        )

    def _lost(self, manifest: Manifest, chain: tuple[str, ...]) -> list[Descriptor]:
        """Return the blobs that no longer hold layers which are unpacked here already."""
        part = replace(manifest, layers=manifest.layers[: len(chain)])
        pairs = zip(part.layers, layer_blobs(self._engine, part, chain), strict=True)
        has = self._content.has
        lost = [b for b, held in pairs if not has(held, b.size if held == b.digest else None)]
        return [b for b in lost if not self._from_store or self._content.is_made(b.digest)]

    def _is_named(self, name: ImageName) -> bool:
        known = find_name(self._engine, name.name)
        return known is not None and (known.image, known.digest) == (name.image, name.digest)

    def _say_existing(self, layers: tuple[Descriptor, ...]) -> None:
        for layer in layers:
            self._observer.layer(short(layer.digest), EXISTS)

    # -- layers ---------------------------------------------------------------------------

    def _layers(
        self, manifest: Manifest, diff_ids: tuple[str, ...], chain: tuple[str, ...]
    ) -> None:
        """Bring all layers and documents into the store."""
        parts = zip(chain, diff_ids, manifest.layers, strict=True)
        layers = [Layer(n, c, d, b.digest) for n, (c, d, b) in enumerate(parts)]
        for attempt in range(_ATTEMPTS):
            try:
                with contextlib.ExitStack() as stack:
                    self._missing_layers(manifest, layers, chain, stack)
                    return
            except AlreadyExists:
                # Another command, which does not know our locks, committed a layer meanwhile.
                if attempt == _ATTEMPTS - 1:
                    raise
            except Corrupt:
                if self._from_store or attempt or not self._drop_damaged(manifest):
                    raise

    def _drop_damaged(self, manifest: Manifest) -> bool:
        """Remove the blobs that were changed since they came here; whether there were any."""
        dropped = False
        for blob in dict.fromkeys(manifest.layers):
            with self._engine.locks.exclusive(f"blob-{blob.digest[7:]}"):
                if self._content.has(blob.digest) and not self._content.is_whole(blob.digest):
                    self._content.remove(blob.digest)
                    dropped = True
        return dropped

    def _missing_layers(
        self,
        manifest: Manifest,
        layers: list[Layer],
        chain: tuple[str, ...],
        stack: contextlib.ExitStack,
    ) -> None:
        storage, locks = self._storage, self._engine.locks
        held = committed_count(storage, chain)
        while held < len(chain):
            # In chain order, and blobs after all layers, in theirs: no two pulls wait in a ring.
            for layer in layers[held:]:
                stack.enter_context(locks.exclusive(layer.lock))
            now = committed_count(storage, chain)
            if now == held:
                break
            stack.close()
            held = now
        below = chain[held - 1] if held else None
        self._say_existing(manifest.layers[:held])
        missing = layers[held:]
        blobs = {b.digest: b for b in manifest.layers[held:]}
        for digest in sorted(blobs):
            stack.enter_context(locks.exclusive(f"blob-{digest[7:]}"))
        self._fetch_lost(manifest, chain[:held])
        if not missing:
            self._publish([])
            return
        transfer = Transfer(
            self._engine,
            self._transport,
            self._observer,
            missing,
            blobs,
            self._storage,
            self._familiar,
        )
        transfer.run(below, self._publish)

    def _fetch_lost(self, manifest: Manifest, chain: tuple[str, ...]) -> None:
        """Bring blobs that went lost of layers which are unpacked: others may want them."""
        for blob in self._lost(manifest, chain):
            self._take(blob)

    def _take(self, blob: Descriptor) -> None:
        def progress(count: int) -> None:
            self._observer.layer(short(blob.digest), DOWNLOADING, count, blob.size)

        self._content.ingest(blob, lambda offset: self._transport.fetch(blob, offset), progress)
        self._observer.layer(short(blob.digest), DOWNLOADED)

    def _publish(self, blobs: list[str]) -> None:
        """Put everything written so far on the disk; then blobs and documents in their place."""
        found = [d for d in blobs if not self._content.has(d)]
        for descriptor, data in self._documents.taken:
            if not self._content.has(descriptor.digest, descriptor.size):
                self._content.receive(descriptor, _from(data))
                found.append(descriptor.digest)
        sync_filesystem(self._engine)
        for digest in found:
            self._content.publish(digest, durable=False)

    def _add(
        self,
        names: Sequence[ImageName],
        address: str,
        described: Descriptor,
        manifest: Manifest,
        config: ImageConfig,
        chain: tuple[str, ...],
    ) -> None:
        image = Image(
            id=manifest.config.digest,
            manifest=described.digest,
            size=layers_size(self._engine, chain),
            created=config.created,
            platform=str(normal_platform(config.os, config.architecture, config.variant)),
            layers=layer_blobs(self._engine, manifest, chain),
            chain=chain,
        )
        stale = {described.digest, *self._digests_of(names)}
        self._engine.metadata.add_image(image, names, address)
        for digest in stale - referenced_blobs(self._engine):
            if self._is_manifest(digest):
                self._content.remove(digest)

    def _digests_of(self, names: Sequence[ImageName]) -> set[str]:
        """Return what names of this image stand for until now: an image has many manifests.

        Nobody else brings this image meanwhile, so nobody counts on them. That is not said of
        indexes, which other platforms' images share: those wait for the next collection.
        """
        known = [self._engine.metadata.find_name(name.name) for name in names]
        pairs = zip(known, names, strict=True)
        return {was.digest for was, now in pairs if was is not None and was.image == now.image}

    def _is_manifest(self, digest: str) -> bool:
        if not digest or not self._content.has(digest):
            return False
        body = loads(self._content.read(digest))
        return isinstance(body, dict) and "manifests" not in body


def _from(data: bytes) -> Callable[[int], tuple[bytes, ...]]:
    return lambda offset: (data[offset:],)
