"""``save``: images of the store into an archive that every container tool reads."""

from __future__ import annotations

from plugrun.engine.images.find import find_image, find_name
from plugrun.engine.images.outgoing import FOR_ARCHIVE, Outgoing
from plugrun.errors import InvalidArgument
from plugrun.interfaces.transport import PUSH
from plugrun.model.record import record, replace
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.transport import Destination
    from plugrun.model.image import Image
    from plugrun.model.reference import Reference


@record
class _Wanted:
    """An image and the names it is to have in the archive."""

    image: Image
    names: tuple[str, ...]


def save(engine: Engine, texts: Iterable[str], address: str) -> None:
    """Write images to ``address``, each once, layers they share once.

    An image asked for by name goes with that name; by a repository's, with all its tags there; by
    ID or digest, without one. Raise NoSuchImage before anything is written.
    """
    with engine.locks.shared("images"):
        wanted = _wanted(engine, texts)
        transport: Destination = engine.open_transport(address)  # type: ignore[assignment]
        try:
            if PUSH not in transport.capabilities:
                raise InvalidArgument(f"{address} takes no images")
            for each in wanted:
                _put(engine, transport, each)
            transport.finish()
        finally:
            transport.close()
    for each in wanted:
        engine.emit("image", "save", each.image.id, {"name": each.image.id})


def _put(engine: Engine, transport: Destination, wanted: _Wanted) -> None:
    with Outgoing(engine, wanted.image, FOR_ARCHIVE) as image:
        for part in image.parts:
            if not transport.has(part.descriptor):
                transport.put(part.descriptor, part.read)
        transport.put_manifest(image.descriptor, image.raw, wanted.names)


def _wanted(engine: Engine, texts: Iterable[str]) -> list[_Wanted]:
    found: dict[str, _Wanted] = {}
    for text in texts:
        for image, names in _meant(engine, text):
            known = found.get(image.id, _Wanted(image, ()))
            both = tuple(dict.fromkeys((*known.names, *names)))
            found[image.id] = replace(known, names=both)
    return list(found.values())


def _meant(engine: Engine, text: str) -> list[tuple[Image, tuple[str, ...]]]:
    """Return the images a word of the command line means, with their names."""
    repository = _repository(text)
    if repository is not None:
        tags = [n for n in engine.metadata.image_names() if _is_tag_of(n.name, repository)]
        if tags:
            images = {n.image: engine.metadata.image(n.image) for n in tags}
            return [
                (image, tuple(n.name for n in tags if n.image == id))
                for id, image in images.items()
                if image is not None
            ]
    image, named = find_image(engine, text), find_name(engine, text)
    if named is None or "@" in named.name or "@" in text:
        return [(image, ())]
    return [(image, (named.name,))]


def _repository(text: str) -> Reference | None:
    """Return the repository if the text is just that: no tag, no digest, no other scheme."""
    scheme, rest = split_address(text)
    try:
        reference = parse_reference(rest, default_tag="")
    except InvalidArgument:
        return None
    return None if scheme != "docker" or reference.tag or reference.digest else reference


def _is_tag_of(name: str, repository: Reference) -> bool:
    reference = parse_reference(name, default_tag="")
    return reference.name == repository.name and bool(reference.tag)
