"""``push``: an image of the store to a registry, or all that have a repository's name."""

from __future__ import annotations

from plugrun.engine.images.events import emit_image
from plugrun.engine.images.outgoing import FOR_REGISTRY, Outgoing
from plugrun.engine.images.uploads import Uploads
from plugrun.errors import InvalidArgument, NoSuchImage
from plugrun.interfaces.transport import MOUNT, PUSH
from plugrun.model.image import ImageName
from plugrun.model.record import replace
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.transport import Destination
    from plugrun.model.image import Image
    from plugrun.model.reference import Reference

_NEAREST = 4


class PushObserver:
    """Hears of a push's progress, in the thread that pushes; here it does nothing."""

    def begins(self, repository: str) -> None:
        """The images that are named go to this repository; others may follow."""

    def layer(self, id: str, state: str, current: int = 0, total: int = 0) -> None:
        """A layer, by the start of its DiffID, is in a state, in Docker's words."""

    def done(self, tag: str, digest: str, size: int) -> None:
        """An image is complete; ``size`` is its manifest's, in bytes."""


def push(engine: Engine, text: str, all_tags: bool, observer: PushObserver) -> str:
    """Push the image of a name, or of all tags of its repository; return the name in full.

    Raise NoSuchImage if there is none, and what the transport raises.
    """
    with engine.locks.shared("images"):
        reference = _target(text, all_tags)
        observer.begins(reference.name)
        names = list(_names(engine, reference, all_tags))
        transport: Destination = engine.open_transport(f"docker://{reference}")  # type: ignore[assignment]
        try:
            if PUSH not in transport.capabilities:
                raise InvalidArgument(f"{text} is no place that images can be pushed to")
            for name in names:
                _push(engine, transport, name, observer)
        finally:
            transport.close()
    return str(reference)


def _target(text: str, all_tags: bool) -> Reference:
    scheme, rest = split_address(text)
    if scheme != "docker":
        raise InvalidArgument(f"{text} is no registry's name", hint="save writes archives")
    reference = parse_reference(rest, default_tag="" if all_tags else "latest")
    if all_tags and (reference.tag or reference.digest):
        raise InvalidArgument("tag can't be used with --all-tags/-a")
    if reference.digest:
        raise InvalidArgument("cannot push a digest reference")
    return reference


def _names(engine: Engine, reference: Reference, all_tags: bool) -> Iterator[ImageName]:
    here = [
        name for name in engine.metadata.image_names() if name.name.startswith(f"{reference.name}:")
    ]
    if not here:
        raise NoSuchImage(
            f"An image does not exist locally with the tag: {reference.familiar_name}"
        )
    wanted = here if all_tags else [name for name in here if name.name == str(reference)]
    if not wanted:
        raise NoSuchImage(f"tag does not exist: {reference.familiar}")
    yield from wanted


def _push(engine: Engine, transport: Destination, name: ImageName, observer: PushObserver) -> None:
    image = engine.metadata.image(name.image)
    if image is None:
        raise NoSuchImage(f"No such image: {name.name}")
    reference = parse_reference(name.name)
    with Outgoing(engine, image, FOR_REGISTRY) as outgoing:
        near = _near(engine, image, reference) if MOUNT in transport.capabilities else ()
        with Uploads(transport, outgoing.parts, near, observer.layer) as uploads:
            uploads.run()
        transport.put_manifest(outgoing.descriptor, outgoing.raw, [name.name])
        transport.finish()
        described = outgoing.descriptor
        engine.content.add(described, outgoing.raw)
    engine.metadata.add_image(image, [replace(name, digest=described.digest)])
    observer.done(reference.tag, described.digest, described.size)
    emit_image(engine, "push", reference.familiar, reference.familiar_name, image.id)


def _near(engine: Engine, image: Image, target: Reference) -> tuple[str, ...]:
    """Return names at the same registry whose images have a layer of this one, the likeliest first.

    Those that came from there or went there: a name with a registry's digest.
    """
    images = {each.id: each for each in engine.metadata.images()}
    found: dict[str, int] = {}
    for name in engine.metadata.image_names():
        other = parse_reference(name.name, default_tag="")
        holder = images.get(name.image)
        if not name.digest or other.host != target.host or other.path == target.path or not holder:
            continue
        shared = len(set(holder.layers) & set(image.layers))
        if shared:
            found[other.name] = max(shared, found.get(other.name, 0))
    return tuple(sorted(found, key=lambda name: -found[name])[:_NEAREST])
