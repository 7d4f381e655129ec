"""``prune``: what nobody uses, removed; what begins to be used meanwhile stays."""

from __future__ import annotations

from plugrun.engine.containers import status
from plugrun.engine.images.collect import collect_orphans
from plugrun.engine.images.layersizes import layer_size
from plugrun.engine.images.rmi import delete_image, names_said
from plugrun.engine.rm import remove
from plugrun.engine.sizes import container_size
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.model.container import CREATED, EXITED
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.image import Image


@record
class Pruned:
    """What went, as Docker lists it, and how many bytes that were."""

    lines: tuple[str, ...]
    reclaimed: int


def prune_containers(engine: Engine, wanted: Callable[[Container], bool]) -> Pruned:
    """Remove the stopped containers that are wanted gone; return their IDs."""
    gone, reclaimed = [], 0
    for container in engine.metadata.containers():
        if status(engine, container).state not in (CREATED, EXITED) or not wanted(container):
            continue
        size = container_size(engine, container).own
        try:
            remove(engine, container.id, force=False)
        except (Conflict, NoSuchContainer):
            continue
        gone.append(container.id)
        reclaimed += size
    engine.emit("container", "prune", "", {"reclaimed": str(reclaimed)})
    return Pruned(tuple(gone), reclaimed)


def prune_images(engine: Engine, all: bool, wanted: Callable[[Image], bool]) -> Pruned:
    """Remove the images that no container is made from, with ``all`` also those with names.

    Layers that an interrupted pull left go too.
    """
    lines: list[str] = []
    reclaimed = 0
    for image in engine.metadata.images():
        names = engine.metadata.image_names(image.id)
        used = engine.metadata.containers_of_image(image.id)
        if used or (names and not all) or not wanted(image):
            continue
        sizes = {chain: layer_size(engine, chain) for chain in image.chain}
        try:
            deleted = delete_image(engine, image, names)
        except Conflict:
            continue
        said = [line for name in names for line in names_said(name, with_digest=True)]
        lines += [f"untagged: {line}" for line in dict.fromkeys(said)]
        lines += [f"deleted: {digest}" for digest in deleted]
        reclaimed += sum(sizes.get(digest, 0) for digest in deleted)
    reclaimed += collect_orphans(engine)
    engine.emit("image", "prune", "", {"reclaimed": str(reclaimed)})
    return Pruned(tuple(lines), reclaimed)
