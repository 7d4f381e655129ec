"""``pull``: an image from a transport into the store, or all images of a repository."""

from __future__ import annotations

from plugrun.engine.images.arrival import Arrival, PullObserver
from plugrun.engine.images.documents import verify
from plugrun.engine.images.events import emit_image
from plugrun.errors import DigestMismatch, InvalidArgument
from plugrun.interfaces.transport import LIST
from plugrun.model.descriptor import host_platform
from plugrun.model.image import ImageName
from plugrun.model.record import record
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.transport import Collection, Resolved, Transport
    from plugrun.model.descriptor import Platform
    from plugrun.model.reference import Reference


@record
class PullResult:
    """What a pull came to: the image's ID, its full name here, and the digest it was found by.

    ``up_to_date`` if the name stood for this very image before, and all of it was here.
    """

    image: str
    name: str
    digest: str
    up_to_date: bool


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
            resolved = transport.resolve(platform or host_platform())
            address = "" if split_address(text)[0] == "docker" else text
            pulled = _Pull(engine, transport, platform, observer or PullObserver())
            return pulled.one(resolved, address)
        finally:
            transport.close()


def pull_all(
    engine: Engine, text: str, platform: Platform | None, observer: PullObserver | None = None
) -> Iterator[PullResult]:
    """Bring every image of a repository or archive that has a name, one after another."""
    with engine.locks.shared("images"):
        transport: Collection = engine.open_transport(text)  # type: ignore[assignment]
        try:
            if LIST not in transport.capabilities:
                raise InvalidArgument(f"{text} cannot be asked for all of its images")
            work = _Pull(engine, transport, platform, observer or PullObserver())
            for resolved in transport.list(platform or host_platform()):
                if resolved.name:
                    yield work.one(resolved, "")
        finally:
            transport.close()


class _Pull:
    """Images from one transport."""

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        platform: Platform | None,
        observer: PullObserver,
    ) -> None:
        self._engine = engine
        self._transport = transport
        self._platform = platform
        self._observer = observer

    def one(self, resolved: Resolved, address: str) -> PullResult:
        """Bring one image and name it."""
        verify(resolved.descriptor, resolved.raw)
        digest = resolved.descriptor.digest
        reference = _reference(resolved.name)
        if reference.digest and reference.digest != digest:
            raise DigestMismatch(f"{resolved.source} sent other content for {resolved.name}")
        self._observer.resolved(reference.familiar_name, reference.tag, digest)
        named = f"{reference.name}@{reference.digest}" if reference.digest else str(reference)
        known = ImageName(named, "", "" if address else digest)
        own = (self._engine, self._transport, self._platform, self._observer)
        arrived = Arrival(*own, reference.familiar).bring(resolved, [known], address)
        self._observer.done(digest, arrived.up_to_date, reference.familiar)
        emit_image(self._engine, "pull", reference.familiar, reference.familiar_name, arrived.image)
        return PullResult(arrived.image, named, digest, arrived.up_to_date)


def _reference(name: str) -> Reference:
    return parse_reference(name, default_tag="")
