"""``load``: the images of an archive into the store, under the names they have there."""

from __future__ import annotations

from plugrun.engine.images.arrival import Arrival
from plugrun.engine.images.blobs import referenced_blobs
from plugrun.engine.images.documents import verify
from plugrun.errors import InvalidArgument
from plugrun.interfaces.transport import LIST
from plugrun.model.descriptor import host_platform
from plugrun.model.image import ImageName
from plugrun.model.record import record
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.interfaces.transport import Collection, Resolved
    from plugrun.model.descriptor import Platform


@record
class Loaded:
    """One image that was loaded: its ID and its names as Docker prints them.

    ``taken`` are names that stood for another image before, each with that one's ID.
    """

    image: str
    names: tuple[str, ...]
    taken: tuple[tuple[str, str], ...]


def load(
    engine: Engine, address: str, platform: Platform | None, observer: PullObserver
) -> Iterator[Loaded]:
    """Bring every image of an archive here, one after another.

    Raise what a pull raises. An image that fails leaves nothing behind; those before it stay.
    """
    with engine.locks.shared("images"):
        transport: Collection = engine.open_transport(address)  # type: ignore[assignment]
        try:
            if LIST not in transport.capabilities:
                raise InvalidArgument(f"{address} is no archive")
            for resolved in transport.list(platform or host_platform()):
                with _NothingLeft(engine):
                    yield _one(engine, transport, resolved, platform, observer)
        finally:
            transport.close()


def _one(
    engine: Engine,
    transport: Collection,
    resolved: Resolved,
    platform: Platform | None,
    observer: PullObserver,
) -> Loaded:
    verify(resolved.descriptor, resolved.raw)
    names = [name for name in (resolved.name, *resolved.also) if name]
    before = {name: engine.metadata.find_name(name) for name in names}
    familiar = {name: parse_reference(name, default_tag="").familiar for name in names}
    shown = familiar[names[0]] if names else resolved.descriptor.digest
    arrival = Arrival(engine, transport, platform, observer, shown)
    # A name that stands for this image keeps the digest a registry gave it.
    arrived = arrival.bring(resolved, [before[n] or ImageName(n, "", "") for n in names])
    id = arrived.image
    moved = [(name, old.image) for name, old in before.items() if old and old.image != id]
    _forget_digests(engine, [name for name, _ in moved], id)
    engine.emit("image", "load", id, {"name": id})
    return Loaded(id, tuple(familiar.values()), tuple((familiar[n], old) for n, old in moved))


def _forget_digests(engine: Engine, names: list[str], id: str) -> None:
    """A name that has moved stands for no registry's digest any more."""
    image = engine.metadata.image(id)
    if names and image is not None:
        engine.metadata.add_image(image, [ImageName(name, id, "") for name in names])


class _NothingLeft:
    """Removes the blobs that an image brought, if it does not come to its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> None:
        content = self._engine.content
        self._before = {*content.walk(), *content.walk_partial()}

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or kind is GeneratorExit:
            return
        content = self._engine.content
        kept = self._before | referenced_blobs(self._engine)
        for digest in {*content.walk(), *content.walk_partial()} - kept:
            # Whoever brings the same blob holds its lock, and will want to find it.
            lock = self._engine.locks.try_exclusive(f"blob-{digest[7:]}")
            if lock is not None:
                with lock:
                    content.discard(digest)
                    content.remove(digest)
