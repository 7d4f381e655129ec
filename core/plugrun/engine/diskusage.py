"""``system df``: how much images, containers and volumes take, and how much of it nobody uses."""

from __future__ import annotations

from plugrun.engine.build.kept import Kept, kept_by_builds
from plugrun.engine.containers import status
from plugrun.engine.images.layersizes import layer_size
from plugrun.engine.sizes import container_size
from plugrun.engine.storages.list import several
from plugrun.engine.volumes.volumes import volume_size
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.storages.list import StorageState
    from plugrun.model.container import Container, Status
    from plugrun.model.image import Image, ImageName


@record
class ImageUsage:
    """One image: ``shared`` are the bytes of its layers that other images have too."""

    image: Image
    names: tuple[ImageName, ...]
    shared: int
    containers: int

    @property
    def unique(self) -> int:
        """The bytes that are this image's alone."""
        return self.image.size - self.shared


@record
class ContainerUsage:
    """One container, and the bytes it wrote."""

    container: Container
    status: Status
    size: int


@record
class VolumeUsage:
    """One volume, its bytes, and how many containers use it."""

    name: str
    links: int
    size: int


@record
class DiskUsage:
    """All of it; ``layers`` is what all images take together, each layer once.

    ``storages`` is empty where one alone keeps something: then there is nothing to tell apart.
    """

    images: tuple[ImageUsage, ...]
    layers: int
    containers: tuple[ContainerUsage, ...]
    volumes: tuple[VolumeUsage, ...] = ()
    builds: tuple[Kept, ...] = ()
    storages: tuple[StorageState, ...] = ()


def disk_usage(engine: Engine) -> DiskUsage:
    """Measure everything below this root."""
    containers = tuple(
        ContainerUsage(one, status(engine, one), container_size(engine, one).own)
        for one in engine.metadata.each_container()
    )
    users: dict[str, int] = {}
    for usage in containers:
        image = usage.container.image
        users[image] = users.get(image, 0) + 1
    images = engine.metadata.images()
    holders: dict[str, int] = {}
    for found in images:
        for chain in set(found.chain):
            holders[chain] = holders.get(chain, 0) + 1
    sizes = {chain: layer_size(engine, chain) for chain in holders}
    listed = tuple(
        ImageUsage(
            image=one,
            names=tuple(engine.metadata.image_names(one.id)),
            shared=sum(sizes[chain] for chain in one.chain if holders[chain] > 1),
            containers=users.get(one.id, 0),
        )
        for one in images
    )
    layers = sum(sizes.values())
    builds = tuple(kept_by_builds(engine))
    return DiskUsage(listed, layers, containers, _volumes(engine), builds, several(engine))


def _volumes(engine: Engine) -> tuple[VolumeUsage, ...]:
    table = engine.metadata.volumes
    return tuple(
        VolumeUsage(one.name, len(table.users(one.name)), volume_size(engine, one.name))
        for one in table.all()
    )
