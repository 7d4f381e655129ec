"""How much containers and images take."""

from __future__ import annotations

from plugrun.engine.images.layersizes import content_size
from plugrun.errors import BackendUnavailable, PluginError
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
    """Measure a container's writable layer.

    What has gone meanwhile has no size, nor has what its storage, gone too, cannot be asked for.
    """
    try:
        own = content_size(engine.storage_of(container), container.id)
    except (PluginError, BackendUnavailable):
        own = 0
    image = engine.metadata.image(container.image)
    return ContainerSize(own, own + (image.size if image is not None else 0))
