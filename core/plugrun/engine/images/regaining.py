"""How blobs that were lost can be had again: what a user is told to do."""

from __future__ import annotations

from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image


def called(engine: Engine, image: Image) -> str:
    """Return an image's first name, or its ID if it has none."""
    names = engine.metadata.image_names(image.id)
    return parse_reference(names[0].name, default_tag="").familiar if names else image.id


def how_to_regain(engine: Engine, image: Image, lost: Iterable[str]) -> str:
    """Say how an image gets these blobs again; pulled is only what came from somewhere.

    An image that was made here stands on the layers of another, whose pull brings those.
    """
    ways = {_pull_with(engine, image, digest) for digest in lost}
    if "" in ways:
        return f"remove image {called(engine, image)}, and make, import or load it again"
    return "; ".join(sorted(ways))


def _pull_with(engine: Engine, image: Image, digest: str) -> str:
    """Return a pull that brings a blob, nothing if none is known."""
    others = (o for o in engine.metadata.images() if digest in (o.id, o.manifest, *o.layers))
    for one in (image, *others):
        if pull := _pull(engine, one):
            return pull
    return ""


def _pull(engine: Engine, image: Image) -> str:
    names = engine.metadata.image_names(image.id)
    for name in names:
        if name.digest:
            return f"plugrun pull {parse_reference(name.name, default_tag='').familiar}"
    for name in names:
        if address := engine.metadata.address_of_name(name.name):
            return f"plugrun pull {address}"
    return ""
