"""From transport to transport: one manifest, or an index with all that it names."""

from __future__ import annotations

from plugrun.engine.images.documents import fetched
from plugrun.engine.images.manifests import (
    DEEPEST_INDEX,
    LARGEST_MANIFEST,
    Index,
    parse_manifest,
    select,
)
from plugrun.engine.images.relay import Relay
from plugrun.engine.images.uploads import Uploads
from plugrun.errors import Corrupt, InvalidArgument
from plugrun.interfaces.transport import MOUNT
from plugrun.model.descriptor import Descriptor, host_platform
from plugrun.model.image import INDEX_OCI, INDEXES, MANIFESTS
from plugrun.model.jsontext import dumps, loads
from plugrun.store.content import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.images.outgoing import Form, Outgoing
    from plugrun.interfaces.transport import Destination, Resolved, Transport
    from plugrun.model.descriptor import Platform

_MOST_MANIFESTS = 4096


class Passage:
    """Takes what a source resolved to a destination; ``near`` are repositories of its layers.

    ``subject`` is what messages call the source. What ``one`` and ``every`` return, a document
    as it is at the destination, is still to be put, under its name.
    """

    def __init__(
        self,
        engine: Engine,
        source: Transport,
        target: Destination,
        form: Form,
        near: tuple[str, ...],
        observer: PullObserver,
        subject: str,
    ) -> None:
        self._folder = engine.root
        self._source = source
        self._target = target
        self._form = form
        self._near = near
        self._observer = observer
        self._subject = subject
        self._manifests = 0

    def one(self, resolved: Resolved, asked: Platform | None) -> tuple[Descriptor, bytes]:
        """Copy the image for one platform, without the index that offered it."""
        descriptor, raw = resolved.descriptor, resolved.raw
        for _ in range(DEEPEST_INDEX + 1):
            found = parse_manifest(raw, descriptor.media_type)
            if not isinstance(found, Index):
                return self._manifest(descriptor, raw, asked)
            descriptor = select(found, asked or host_platform(), self._subject)
            raw = fetched(self._source, descriptor, LARGEST_MANIFEST)
            asked = None  # the index has said what it is for
        raise self._too_deep()

    def every(self, resolved: Resolved) -> tuple[Descriptor, bytes]:
        """Copy an index with all its images, attestations too."""
        return self._document(resolved.descriptor, resolved.raw, 0)

    def _document(self, descriptor: Descriptor, raw: bytes, depth: int) -> tuple[Descriptor, bytes]:
        if not isinstance(parse_manifest(raw, descriptor.media_type), Index):
            return self._manifest(descriptor, raw, None)
        if depth > DEEPEST_INDEX:
            raise self._too_deep()
        body = loads(raw)
        changed = self._form.oci and descriptor.media_type != INDEX_OCI
        for item in body["manifests"]:
            own = self._child(item, depth)
            changed |= own.digest != item["digest"]
            item.update(mediaType=own.media_type, digest=own.digest, size=own.size)
        if not changed:
            return descriptor, raw
        media_type = INDEX_OCI if self._form.oci else descriptor.media_type
        body["mediaType"] = media_type
        raw = dumps(body).encode()
        return Descriptor(media_type, digest_of(raw), len(raw)), raw

    def _child(self, item: dict[str, Any], depth: int) -> Descriptor:
        """Copy one entry of an index that ``parse_manifest`` has checked; return it as put."""
        if item.get("mediaType") not in MANIFESTS | INDEXES:
            raise InvalidArgument(
                f"{self._subject} has an entry of a kind that is not known here: "
                f"{item.get('mediaType')!r:.200}",
                hint="without --all one platform is copied",
            )
        child = Descriptor(item["mediaType"], item["digest"], item["size"])
        raw = fetched(self._source, child, LARGEST_MANIFEST)
        descriptor, raw = self._document(child, raw, depth + 1)
        self._target.put_manifest(descriptor, raw, ())
        return descriptor

    def _manifest(
        self, descriptor: Descriptor, raw: bytes, asked: Platform | None
    ) -> tuple[Descriptor, bytes]:
        self._manifests += 1
        if self._manifests > _MOST_MANIFESTS:
            raise Corrupt(f"{self._subject} has over {_MOST_MANIFESTS} manifests")
        with Relay(self._source, descriptor, raw, self._form, self._folder, asked) as relay:
            put_parts(self._target, relay, self._near, self._observer)
            return relay.descriptor, relay.raw

    def _too_deep(self) -> Corrupt:
        return Corrupt(f"{self._subject}: indexes within indexes, more than {DEEPEST_INDEX} deep")


def put_parts(
    target: Destination, image: Outgoing | Relay, near: tuple[str, ...], observer: PullObserver
) -> None:
    """Put an image's config and layers, in as many threads as the destination takes."""
    usable = near if MOUNT in target.capabilities else ()
    with Uploads(target, image.parts, usable, observer.layer) as uploads:
        uploads.run()
