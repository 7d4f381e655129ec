"""``pull``: an image from a transport into the store.

Blobs are received in threads and unpacked in processes as soon as each is whole; the calling
thread alone talks to the storage, the metadata and the observer. Nothing counts before it is on
the disk: bytes are synced, blobs published and layers committed by renaming; these are synced, and
the image is named. Interrupted at any moment it leaves what is whole, and the next pull goes on
from there.
"""

from __future__ import annotations

import contextlib

from plugrun.engine.documents import Documents, verify
from plugrun.engine.imageevents import emit_image
from plugrun.engine.images import find_name
from plugrun.engine.layersizes import layers_size
from plugrun.engine.layerwork import Layer, committed_count
from plugrun.engine.manifests import LARGEST_CONFIG, chain_ids, parse_image_config
from plugrun.engine.transfer import EXISTS, Transfer, short, sync_filesystem
from plugrun.errors import (
    AlreadyExists,
    Corrupt,
    DigestMismatch,
    NoMatchingPlatform,
)
from plugrun.model.descriptor import host_platform, normal_platform, platform_order
from plugrun.model.image import Image, ImageName
from plugrun.model.record import record
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.transport import Resolved, Transport
    from plugrun.model.descriptor import Descriptor, Platform
    from plugrun.model.image import ImageConfig, Manifest
    from plugrun.model.reference import Reference

_ATTEMPTS = 3


@record
class PullResult:
    """What a pull came to: the image's ID, its full name here, and the digest it was found by.

    ``up_to_date`` if the name stood for this very image before, and all of it was here.
    """

    image: str
    name: str
    digest: str
    up_to_date: bool


class PullObserver:
    """Hears of a pull's progress, in the thread that pulls; here it does nothing."""

    def resolved(self, familiar_name: str, tag: str, digest: str) -> None:
        """The reference was found; ``tag`` is empty for one by digest."""

    def layer(self, digest_short: str, state: str, current: int = 0, total: int = 0) -> None:
        """A layer is in a state, in Docker's words; bytes where they are counted, of the blob."""

    def done(self, digest: str, up_to_date: bool, familiar: str) -> None:
        """The image is complete and named."""


def pull(
    engine: Engine, text: str, platform: Platform | None, observer: PullObserver | None = None
) -> PullResult:
    """Bring an image here, for ``platform`` or this machine's, and name it.

    Raise what the transport raises, NoMatchingPlatform, Corrupt and its kinds, NoSpace. May be
    called by several processes at once: each layer is fetched and unpacked by one.
    """
    with engine.locks.shared("images"):
        transport = engine.open_transport(text)
        try:
            work = _Pull(engine, transport, text, platform, observer or PullObserver())
            result = work.run()
        finally:
            transport.close()
    emit_image(engine, "pull", work.familiar, work.familiar_name, result.image)
    return result


class _Pull:
    """One pull."""

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        text: str,
        platform: Platform | None,
        observer: PullObserver,
    ) -> None:
        self._engine = engine
        self._content = engine.content
        self._transport = transport
        self._text = text
        self._asked = platform
        self._wanted = platform or host_platform()
        self._observer = observer
        self._documents = Documents(engine.content, transport)
        self.familiar = self.familiar_name = text

    def run(self) -> PullResult:
        resolved = self._resolve()
        described, manifest = self._documents.manifest(resolved, self._wanted, self.familiar)
        config = parse_image_config(self._documents.take(manifest.config, LARGEST_CONFIG))
        self._check(manifest, config, is_choice=described is not resolved.descriptor)
        name = self._name(resolved)
        chain = chain_ids(config.diff_ids)
        up_to_date = self._is_here(name, described, manifest, chain)
        if not up_to_date:
            with self._engine.locks.exclusive(f"image-{manifest.config.digest[7:]}"):
                self._layers(manifest, config.diff_ids, chain)
                sync_filesystem(self._engine)
                self._add(name, described, manifest, config, chain)
        else:
            self._say_existing(manifest.layers)
        self._observer.done(resolved.descriptor.digest, up_to_date, self.familiar)
        image, digest = manifest.config.digest, resolved.descriptor.digest
        return PullResult(image, name.name, digest, up_to_date)

    # -- documents ------------------------------------------------------------------------

    def _resolve(self) -> Resolved:
        resolved = self._transport.resolve(self._wanted)
        verify(resolved.descriptor, resolved.raw)
        reference = _reference(resolved.name)
        if reference.digest and reference.digest != resolved.descriptor.digest:
            raise DigestMismatch(f"{resolved.source} sent other content for {resolved.name}")
        self.familiar, self.familiar_name = reference.familiar, reference.familiar_name
        self._observer.resolved(reference.familiar_name, reference.tag, resolved.descriptor.digest)
        return resolved

    def _check(self, manifest: Manifest, config: ImageConfig, *, is_choice: bool) -> None:
        """Refuse an image whose parts do not belong together, or that is for another platform."""
        if len(manifest.layers) != len(config.diff_ids):
            raise Corrupt(
                f"{self.familiar} has {len(manifest.layers)} layers, and its config "
                f"{len(config.diff_ids)} diff_ids"
            )
        actual = normal_platform(config.os, config.architecture, config.variant)
        fits = actual in platform_order(self._wanted)
        if fits or is_choice or (self._asked is None and actual.os == self._wanted.os):
            return
        raise NoMatchingPlatform(
            f"image with reference {self.familiar} was found but does not match the specified "
            f"platform: wanted {self._wanted}, actual: {actual}"
        )

    def _name(self, resolved: Resolved) -> ImageName:
        reference = _reference(resolved.name)
        name = f"{reference.name}@{reference.digest}" if reference.digest else str(reference)
        scheme, _ = split_address(self._text)
        return ImageName(name, "", resolved.descriptor.digest if scheme == "docker" else "")

    # -- what is here already -------------------------------------------------------------

    def _is_here(
        self, name: ImageName, described: Descriptor, manifest: Manifest, chain: tuple[str, ...]
    ) -> bool:
        """Whether the name stands for this image, and all of that is in the store."""
        metadata, image = self._engine.metadata, manifest.config.digest
        known = find_name(self._engine, name.name)
        return (
            known is not None
            and (known.image, known.digest) == (image, name.digest)
            and metadata.image(image) is not None
            and self._content.has(described.digest, described.size)
            and self._content.has(image, manifest.config.size)
            and committed_count(self._engine.storage(), chain) == len(chain)
        )

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

    def _missing_layers(
        self,
        manifest: Manifest,
        layers: list[Layer],
        chain: tuple[str, ...],
        stack: contextlib.ExitStack,
    ) -> None:
        storage, locks = self._engine.storage(), self._engine.locks
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
        if not missing:
            self._publish([])
            return
        transfer = Transfer(self._engine, self._transport, self._observer, missing, blobs)
        transfer.run(below, self._publish)

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
        name: ImageName,
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
            layers=tuple(layer.digest for layer in manifest.layers),
            chain=chain,
        )
        scheme, _ = split_address(self._text)
        own = ImageName(name.name, image.id, name.digest)
        address = "" if scheme == "docker" else self._text
        self._engine.metadata.add_image(image, [own], address)


def _reference(name: str) -> Reference:
    return parse_reference(name, default_tag="")


def _from(data: bytes) -> Callable[[int], tuple[bytes, ...]]:
    return lambda offset: (data[offset:],)
