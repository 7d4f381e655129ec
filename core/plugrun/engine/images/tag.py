"""``tag``: one more name for an image."""

from __future__ import annotations

from plugrun.engine.images.events import emit_image
from plugrun.engine.images.find import find_image
from plugrun.engine.images.rmi import repository
from plugrun.errors import InvalidArgument
from plugrun.model.image import ImageName
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.reference import Reference


def tag(engine: Engine, source: str, target: str) -> None:
    """Name an image; a name that stood for another is taken from it.

    In the repository that it was pulled from, it keeps the digest that it was found by. Raise
    NoSuchImage, and InvalidArgument if the target is no name or has a digest.
    """
    reference = parse_target(target)
    image = find_image(engine, source)
    names = engine.metadata.image_names(image.id)
    digest = next((n.digest for n in names if n.digest and repository(n) == reference.name), "")
    engine.metadata.add_image(image, [ImageName(str(reference), image.id, digest)])
    emit_image(engine, "tag", image.id, reference.familiar)


def parse_target(text: str) -> Reference:
    """Return the reference that ``tag`` is to make, in Docker's words if it cannot."""
    if ":" in text and text.endswith(":"):
        raise _unusable(text, "invalid reference format")
    try:
        reference = parse_reference(text)
    except InvalidArgument as error:
        raise _unusable(text, error.message.partition(': "')[0]) from None
    if reference.digest:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    return reference


def _unusable(text: str, why: str) -> InvalidArgument:
    shown = f'"{text}" is not a valid repository/tag'
    return InvalidArgument(f"Error parsing reference: {shown}: {why}")
