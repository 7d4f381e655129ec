"""``plugrun inspect``."""

from __future__ import annotations

from plugrun.cli.inspecting import inspect_all
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container, status
from plugrun.engine.engine import Engine
from plugrun.engine.heal import open_healed
from plugrun.engine.images import find_image
from plugrun.engine.inspect import container_document, image_document
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchContainer, NoSuchImage, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print containers and images as Docker-shaped JSON; a name may be either's."""
    kind = parsed.values["type"]
    finders = {"": any_document, "container": of_container, "image": of_image}
    if kind not in finders:
        raise UsageError(f'unknown type: "{kind}": must be one of "container", "image"')
    engine = open_healed(options)
    find = finders[kind]
    return inspect_all(parsed.args, parsed.values["format"], lambda name: find(engine, name))


def any_document(engine: Engine, name: str) -> dict[str, Any]:
    """Return a container's document or, if there is none, an image's."""
    try:
        return of_container(engine, name)
    except NoSuchContainer:
        try:
            return of_image(engine, name)
        except NoSuchImage:
            raise NotFound(f"No such object: {name}") from None


def of_container(engine: Engine, name: str) -> dict[str, Any]:
    """Return a container's document."""
    container = find_container(engine, name)
    return container_document(engine, container, status(engine, container))


def of_image(engine: Engine, name: str) -> dict[str, Any]:
    """Return an image's document."""
    return image_document(engine, find_image(engine, name))
