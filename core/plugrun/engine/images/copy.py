"""``copy``: an image from any address to any other, without unpacking it on the way.

A plain name is an image of this machine's store, as with every other command; a registry is
written ``docker://``. Only into the store an image is unpacked: there it has to be ready to run.
"""

from __future__ import annotations

from plugrun.engine.images.arrival import Arrival
from plugrun.engine.images.documents import verify
from plugrun.engine.images.events import emit_image
from plugrun.engine.images.find import find_image, find_name
from plugrun.engine.images.outgoing import FOR_ARCHIVE, FOR_REGISTRY, UNCHANGED, Outgoing
from plugrun.engine.images.passage import Passage, put_parts
from plugrun.engine.images.tag import parse_target, tag
from plugrun.errors import InvalidArgument
from plugrun.interfaces.transport import FLATTEN, PULL, PUSH
from plugrun.model.descriptor import host_platform
from plugrun.model.image import ImageName
from plugrun.model.record import record
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.images.outgoing import Form
    from plugrun.interfaces.transport import Destination, Resolved, Transport
    from plugrun.model.descriptor import Descriptor, Platform
    from plugrun.model.image import Image

_REGISTRY = "docker"
# Towards a registry plain layers are compressed, readers of archives and layouts get what the
# oldest of them know, and a folder for tools gets what there was.
_FORMS = {_REGISTRY: FOR_REGISTRY, "dir": UNCHANGED, "rootfs": UNCHANGED}


@record
class CopyRequest:
    """Where from and where to; ``every`` is all platforms instead of one."""

    source: str
    target: str
    platform: Platform | None = None
    every: bool = False


def is_stored(address: str) -> bool:
    """Whether an address is a plain name: an image of this machine's store."""
    return not address.startswith(f"{_REGISTRY}://") and split_address(address)[0] == _REGISTRY


def copy(engine: Engine, request: CopyRequest, observer: PullObserver) -> str:
    """Copy an image, for one platform or all; what stood at a file's or tag's place is replaced.

    Return the digest of its manifest, or index, at the destination. ``observer`` hears of layers
    alone. Raise what the two transports raise, InvalidArgument if one of them cannot do its part,
    NoSuchImage, NoMatchingPlatform, Corrupt and its kinds.
    """
    if request.every and (is_stored(request.source) or is_stored(request.target)):
        raise InvalidArgument("the store keeps one platform of an image: --all is not for it")
    if is_stored(request.source):
        with engine.locks.shared("images"):
            return _from_store(engine, request, observer)
    source = engine.open_transport(request.source)
    try:
        if PULL not in source.capabilities:
            raise InvalidArgument(f"{request.source} has no images to copy")
        if not is_stored(request.target):
            return _through(engine, source, request, observer)
        with engine.locks.shared("images"):
            return _into_store(engine, source, request, observer)
    finally:
        source.close()


def _from_store(engine: Engine, request: CopyRequest, observer: PullObserver) -> str:
    image = find_image(engine, request.source)
    if is_stored(request.target):
        tag(engine, request.source, request.target)
        return image.manifest
    named = find_name(engine, request.source)
    name = named.name if named is not None and "@" not in named.name else ""
    target = _open_destination(engine, request.target)
    try:
        with Outgoing(engine, image, _form(request.target)) as outgoing:
            put_parts(target, outgoing, _near(engine, image), observer)
            names = _names(request.target, name, outgoing.descriptor)
            target.put_manifest(outgoing.descriptor, outgoing.raw, names)
            target.finish()
            return outgoing.descriptor.digest
    finally:
        target.close()


def _near(engine: Engine, image: Image) -> tuple[str, ...]:
    """Return the repositories that the image came from or went to: its layers may be there."""
    names = [name.name for name in engine.metadata.image_names(image.id) if name.digest]
    return tuple(dict.fromkeys(parse_reference(name, default_tag="").name for name in names))


def _resolved(source: Transport, request: CopyRequest) -> Resolved:
    resolved = source.resolve(request.platform or host_platform())
    verify(resolved.descriptor, resolved.raw)
    return resolved


def _into_store(
    engine: Engine, source: Transport, request: CopyRequest, observer: PullObserver
) -> str:
    reference = parse_target(request.target)
    resolved = _resolved(source, request)
    digest = resolved.descriptor.digest
    origin = parse_reference(resolved.name, default_tag="").name
    same = split_address(request.source)[0] == _REGISTRY and origin == reference.name
    name = ImageName(str(reference), "", digest if same else "")
    arrival = Arrival(engine, source, request.platform, observer, reference.familiar)
    image = arrival.bring(resolved, [name]).image
    emit_image(engine, "pull", reference.familiar, reference.familiar_name, image)
    return digest


def _through(
    engine: Engine, source: Transport, request: CopyRequest, observer: PullObserver
) -> str:
    resolved = _resolved(source, request)
    name = parse_reference(resolved.name, default_tag="")
    near = (name.name,) if split_address(request.source)[0] == _REGISTRY else ()
    form = _form(request.target)
    target = _open_destination(engine, request.target)
    try:
        if request.every and FLATTEN in target.capabilities:
            raise InvalidArgument(f"{request.target} holds one platform: --all is not for it")
        passage = Passage(engine, source, target, form, near, observer, request.source)
        if request.every:
            descriptor, raw = passage.every(resolved)
        else:
            descriptor, raw = passage.one(resolved, request.platform)
        own = f"{name.name}:{name.tag}" if name.tag else ""
        target.put_manifest(descriptor, raw, _names(request.target, own, descriptor))
        target.finish()
        return descriptor.digest
    finally:
        target.close()


def _open_destination(engine: Engine, address: str) -> Destination:
    transport: Destination = engine.open_transport(address)  # type: ignore[assignment]
    if PUSH not in transport.capabilities:
        transport.close()
        raise InvalidArgument(f"{address} takes no images")
    return transport


def _form(address: str) -> Form:
    return _FORMS.get(split_address(address)[0], FOR_ARCHIVE)


def _names(address: str, name: str, descriptor: Descriptor) -> list[str]:
    """Return what the image is called at its destination: a tag, or the name it came with.

    An archive's address may have a reference of its own, which its transport puts first.
    """
    scheme, rest = split_address(address)
    if scheme != _REGISTRY:
        return [name] if name else []
    reference = parse_reference(rest)
    if reference.digest and reference.digest != descriptor.digest:
        raise InvalidArgument(f"the image is {descriptor.digest}, and not what {address} names")
    return [f"{reference.name}:{reference.tag}"] if reference.tag else []
