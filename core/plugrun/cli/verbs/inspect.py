"""``plugrun inspect``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.inspecting import inspect_all
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container, status
from plugrun.engine.engine import Engine
from plugrun.engine.heal import open_healed
from plugrun.engine.images.find import find_image
from plugrun.engine.inspect.document import container_document, image_document
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchContainer, NoSuchImage, NoSuchNetwork, NoSuchVolume, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_IGNORED = "WARNING: --size ignored for image"
_TYPES = ("container", "image", "network", "volume")


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print containers, images, networks and volumes as Docker-shaped JSON; a name may be any's."""
    kind, size = parsed.values["type"], parsed.values["size"]
    if kind is not None and kind not in _TYPES:
        _refuse(kind)
    if size and kind not in (None, "container"):
        output.error(_IGNORED)
    engine = open_healed(options)

    def find(name: str) -> dict[str, Any]:
        if kind == "image":
            return of_image(engine, name)
        if kind == "volume":
            return of_volume(engine, name)
        if kind == "network":
            return of_network(engine, name)
        if kind == "container":
            return of_container(engine, name, size=size)
        return any_document(engine, name, size=size)

    return inspect_all(parsed.args, parsed.values["format"], find)


def _refuse(kind: str) -> NoReturn:
    types = ", ".join(f'"{name}"' for name in _TYPES)
    what = f'unknown type: "{kind}"' if kind else "type is empty"
    raise SaidError(f"{what}: must be one of {types}")


def any_document(engine: Engine, name: str, *, size: bool = False) -> dict[str, Any]:
    """Return a container's document or, if there is none, one of another kind."""
    try:
        return of_container(engine, name, size=size)
    except NoSuchContainer:
        found = _other(engine, name)
    if size:
        output.error(_IGNORED)
    return found


def _other(engine: Engine, name: str) -> dict[str, Any]:
    for find in (of_image, of_network, of_volume):
        try:
            return find(engine, name)
        except (NoSuchImage, NoSuchNetwork, NoSuchVolume):
            continue
    raise NotFound(f"No such object: {name}")


def of_container(engine: Engine, name: str, *, size: bool = False) -> dict[str, Any]:
    """Return a container's document."""
    container = find_container(engine, name)
    return container_document(engine, container, status(engine, container), size=size)


def of_image(engine: Engine, name: str) -> dict[str, Any]:
    """Return an image's document."""
    return image_document(engine, find_image(engine, name))


def of_network(engine: Engine, name: str) -> dict[str, Any]:
    """Return a network's document."""
    from plugrun.engine.networks.document import network_document
    from plugrun.engine.networks.find import find_network

    return network_document(engine, find_network(engine, name))


def of_volume(engine: Engine, name: str) -> dict[str, Any]:
    """Return a volume's document."""
    from plugrun.engine.volumes.volumes import find_volume, volume_document

    return volume_document(engine, find_volume(engine, name))
