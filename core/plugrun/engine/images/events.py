"""What is told of an image: with its labels, as Docker does."""

from __future__ import annotations

from plugrun.engine.images.manifests import parse_image_config
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def emit_image(engine: Engine, action: str, id: str, name: str, image: str = "") -> None:
    """Record an act on an image; ``image`` is its digest, if that is not what ``id`` is."""
    engine.emit("image", action, id, {**_labels(engine, image or id), "name": name})


def _labels(engine: Engine, image: str) -> dict[str, str]:
    """Return the labels of an image's config; none if it is gone, as it is after ``delete``."""
    try:
        return dict(parse_image_config(engine.content.read(image)).labels)
    except PlugrunError:
        return {}
