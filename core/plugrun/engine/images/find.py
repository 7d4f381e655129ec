"""Images by name, ID or the start of an ID, and their removal.

``find_image`` is on the way of every start; what only removal needs is in ``rmi``.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument, NoSuchImage
from plugrun.model.reference import parse_reference, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image, ImageName
    from plugrun.model.reference import Reference

_HEX = frozenset("0123456789abcdef")


def find_image(engine: Engine, text: str) -> Image:
    """Return the image that a user means: a name, an ID, or the start of an ID.

    Raise NoSuchImage in Docker's words, also if an ID's start is that of several images.
    """
    named = find_name(engine, text)
    if named is not None:
        image = engine.metadata.image(named.image)
        if image is not None:
            return image
    found = _by_id(engine, text)
    if len(found) != 1:
        hint = f"several images have an ID that starts with {text}" if found else ""
        raise NoSuchImage(f"No such image: {_shown(text)}", hint=hint)
    return found[0]


def find_name(engine: Engine, text: str) -> ImageName | None:
    """Return the name that a user's text stands for, if there is one."""
    scheme, _ = split_address(text)
    if scheme != "docker":
        return engine.metadata.find_name(engine.metadata.name_of_address(text))
    try:
        reference = _reference(text)
    except InvalidArgument:
        if _id_digits(text):
            return None
        raise
    if not reference.digest:
        return engine.metadata.find_name(str(reference))
    wanted = f"{reference.name}@{reference.digest}"
    return engine.metadata.find_name(wanted) or _by_digest(engine, reference)


def _reference(text: str) -> Reference:
    _, rest = split_address(text)
    return parse_reference(rest)


def _by_digest(engine: Engine, reference: Reference) -> ImageName | None:
    """Find a tagged image of the same repository that came under a digest."""
    for name in engine.metadata.image_names():
        if name.digest == reference.digest and name.name.startswith(f"{reference.name}:"):
            return name
    return None


def _by_id(engine: Engine, text: str) -> list[Image]:
    digits = _id_digits(text)
    if not digits:
        return []
    if len(digits) < 64:
        return engine.metadata.images_by_prefix(digits)
    found = engine.metadata.image(f"sha256:{digits}")
    return [] if found is None else [found]


def _id_digits(text: str) -> str:
    digits = text.removeprefix("sha256:")
    return digits if digits and len(digits) <= 64 and _HEX.issuperset(digits) else ""


def _shown(text: str) -> str:
    """Return a name with the tag that was looked for, as Docker prints it."""
    try:
        scheme, _ = split_address(text)
        return _reference(text).familiar if scheme == "docker" else text
    except InvalidArgument:
        return text
