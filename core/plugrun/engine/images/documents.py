"""An image's documents: index, manifest and config, verified, from here or from a transport."""

from __future__ import annotations

from plugrun.engine.images.manifests import (
    DEEPEST_INDEX,
    LARGEST_MANIFEST,
    Index,
    parse_manifest,
    select,
)
from plugrun.errors import Corrupt, DigestMismatch
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.interfaces.transport import Resolved, Transport
    from plugrun.model.descriptor import Descriptor, Platform
    from plugrun.model.image import Manifest
    from plugrun.store.content import ContentStore


class Documents:
    """The documents of one image; ``taken`` are those the store may lack."""

    def __init__(self, content: ContentStore, transport: Transport) -> None:
        self._content = content
        self._transport = transport
        self.taken: list[tuple[Descriptor, bytes]] = []

    def manifest(
        self, resolved: Resolved, wanted: Platform, name: str
    ) -> tuple[Descriptor, Manifest]:
        """Go down through indexes to the manifest for a platform.

        Raise NoMatchingPlatform, DigestMismatch, Corrupt.
        """
        descriptor, raw = resolved.descriptor, resolved.raw
        self.taken.append((descriptor, raw))
        for _ in range(DEEPEST_INDEX + 1):
            found = parse_manifest(raw, descriptor.media_type)
            if not isinstance(found, Index):
                return descriptor, found
            descriptor = select(found, wanted, name)
            raw = self.take(descriptor, LARGEST_MANIFEST)
        raise Corrupt(f"{name}: indexes within indexes, more than {DEEPEST_INDEX} deep")

    def take(self, descriptor: Descriptor, limit: int) -> bytes:
        """Return a small blob, from here or from the transport."""
        _check_size(descriptor, limit)
        if self._content.has(descriptor.digest, descriptor.size):
            try:
                return self._content.read(descriptor.digest, limit)
            except DigestMismatch:
                self._content.remove(descriptor.digest)  # damaged here: take it in anew
        data = fetched(self._transport, descriptor, limit)
        self.taken.append((descriptor, data))
        return data


def fetched(transport: Transport, descriptor: Descriptor, limit: int) -> bytes:
    """Return a small blob from a transport, verified; raise Corrupt if it is over ``limit``."""
    _check_size(descriptor, limit)
    data = b""
    for chunk in transport.fetch(descriptor):
        data += chunk
        if len(data) > descriptor.size:
            break
    verify(descriptor, data)
    return data


def _check_size(descriptor: Descriptor, limit: int) -> None:
    if descriptor.size > limit:
        raise Corrupt(f"{descriptor.digest} has {descriptor.size} bytes, over the limit of {limit}")


def verify(descriptor: Descriptor, data: bytes) -> None:
    """Raise DigestMismatch unless these are the bytes a descriptor speaks of."""
    if len(data) != descriptor.size or digest_of(data) != descriptor.digest:
        raise DigestMismatch(
            f"{descriptor.digest} was announced with {descriptor.size} bytes, and {len(data)} "
            f"bytes with digest {digest_of(data)} came"
        )
