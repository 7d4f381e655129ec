"""How much containers and images take."""

from __future__ import annotations

from plugrun.engine.layersizes import content_size
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


@record
class ContainerSize:
    """In bytes: what a container wrote (``own``), and that with its image (``virtual``)."""

    own: int
    virtual: int


def container_size(engine: Engine, container: Container) -> ContainerSize:
    """Measure a container's writable layer; what has gone meanwhile has no size."""
    own = content_size(engine.storage_named(container.storage.name), container.id)
    image = engine.metadata.image(container.image)
    return ContainerSize(own, own + (image.size if image is not None else 0))
