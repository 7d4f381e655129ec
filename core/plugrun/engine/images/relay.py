"""An image on its way from one transport to another, unpacked nowhere.

What ``outgoing`` does with an image of the store: its bytes go as they come wherever the
destination takes that, so that an image keeps its digest; what has to be recoded goes through a
file without a name. Everything is verified by size and digest on the way.
"""

from __future__ import annotations

import os

from plugrun.engine.images.documents import fetched
from plugrun.engine.images.manifests import (
    LARGEST_CONFIG,
    Index,
    parse_image_config,
    parse_manifest,
)
from plugrun.engine.images.outgoing import Part, adapted
from plugrun.engine.images.recoding import GZIP, PLAIN, ZSTD, recoded
from plugrun.errors import Corrupt, DigestMismatch, NoMatchingPlatform
from plugrun.linux.writing import write_all
from plugrun.model.descriptor import Descriptor, normal_platform, platform_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.images.outgoing import Form
    from plugrun.interfaces.transport import Transport
    from plugrun.model.descriptor import Platform
    from plugrun.model.image import Manifest

_UNNAMED = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
_ENCODINGS = (("+zstd", ZSTD), ("gzip", GZIP), (".tar", PLAIN))


class FetchedPart(Part):
    """One blob of a transport; ``read`` raises DigestMismatch on other bytes than described."""

    def __init__(self, transport: Transport, descriptor: Descriptor, shown: str) -> None:
        super().__init__(-1, descriptor, shown)
        self._transport = transport

    def read(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from there on, and never more than described."""
        from hashlib import sha256

        blob, hasher, position = self.descriptor, sha256(), offset
        for piece in self._transport.fetch(blob, offset):
            hasher.update(piece)
            position += len(piece)
            if position > blob.size:
                break
            yield piece
        found = f"sha256:{hasher.hexdigest()}"
        if position != blob.size or (offset == 0 and found != blob.digest):
            raise DigestMismatch(
                f"{blob.digest} was announced with {blob.size} bytes, and other bytes came"
            )


class Relay:
    """One manifest and what it names; ``with`` closes files. ``parts`` begin with the config.

    ``folder`` is where a layer that has to be recoded is put aside. ``asked`` is the platform the
    image has to be for: raise NoMatchingPlatform if it is not.
    """

    def __init__(
        self,
        transport: Transport,
        described: Descriptor,
        raw: bytes,
        form: Form,
        folder: str,
        asked: Platform | None = None,
    ) -> None:
        self._transport = transport
        self._form = form
        self._folder = folder
        self._asked = asked
        self.descriptor, self.raw = described, raw
        self.parts: list[Part] = []

    def __enter__(self) -> Relay:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        parts, self.parts = self.parts, []
        for part in parts:
            part.close()

    def _open(self) -> None:
        manifest = parse_manifest(self.raw, self.descriptor.media_type)
        if isinstance(manifest, Index):
            raise Corrupt(f"{self.descriptor.digest} is an index where a manifest is due")
        self._check_platform(manifest)
        self.parts.append(FetchedPart(self._transport, manifest.config, ""))
        encodings = [self._layer(layer) for layer in manifest.layers]
        layers = [part.descriptor for part in self.parts[1:]]
        self.descriptor, self.raw = adapted(
            self.raw, manifest, layers, encodings, oci=self._form.oci
        )

    def _check_platform(self, manifest: Manifest) -> None:
        if self._asked is None:
            return
        config = parse_image_config(fetched(self._transport, manifest.config, LARGEST_CONFIG))
        actual = normal_platform(config.os, config.architecture, config.variant)
        if actual not in platform_order(self._asked):
            raise NoMatchingPlatform(f"the image is for {actual}, and not for {self._asked}")

    def _layer(self, layer: Descriptor) -> str:
        """Take in a layer, recoded if need be; return its encoding, by its media type."""
        found = next((name for end, name in _ENCODINGS if layer.media_type.endswith(end)), "")
        wanted = self._form.recode.get(found, found)
        part = FetchedPart(self._transport, layer, layer.digest)
        if wanted == found:
            self.parts.append(part)
            return found
        fd, digest = recoded(self._spooled(part), wanted, self._folder)
        own = Descriptor(layer.media_type, digest, os.fstat(fd).st_size)
        self.parts.append(Part(fd, own, digest))
        return wanted

    def _spooled(self, part: Part) -> int:
        fd = os.open(self._folder, _UNNAMED, 0o600)
        try:
            for piece in part.read(0):
                write_all(fd, piece)
        except BaseException:
            os.close(fd)
            raise
        return fd
