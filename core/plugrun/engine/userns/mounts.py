"""A container's files with the owners that its user namespace has for them."""

from __future__ import annotations

import os

from plugrun.engine.userns.deciding import ids_of
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mount import Mount
    from plugrun.model.spec import SpecMount

_ETC_FILES = ("hosts", "hostname", "resolv.conf")


def seen_inside(container: Container, mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Return a storage's mounts so that the container sees its own owners in them."""
    if container.shifted:
        return tuple(mounts)
    ids = ids_of(container)
    return tuple(replace(mount, ids=ids) for mount in mounts)


def shift(engine: Engine, container: Container) -> None:
    """Give the files of a container that is being made the owners outside.

    Where a snapshot is a copy it is done in that; elsewhere every file is copied by it.
    """
    from plugrun.engine.files.rootfs import bare_rootfs
    from plugrun.layers.owners import give_outside

    ids = ids_of(container)
    assert ids is not None
    with bare_rootfs(engine, container) as root:
        give_outside(root, ids)


def give_volume(container: Container, data: str) -> None:
    """Let a new volume belong to the container's root where it cannot just be shown so."""
    ids = ids_of(container)
    if ids is not None:
        os.chown(data, *ids.owner_outside(0, 0))


def bind_inside(mount: SpecMount, place: int) -> None:
    """Bind a volume onto a descriptor with the owners that its mount in the spec says."""
    from plugrun.linux import mountfd
    from plugrun.linux.idmap import MountIds
    from plugrun.model.idmap import IdMap, ranges_of_spec

    source = mount["source"]
    ids = IdMap(ranges_of_spec(mount["uidMappings"]), ranges_of_spec(mount["gidMappings"]))
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, source, recursive="rbind" in mount["options"])
    try:
        with MountIds(ids) as through:
            through.map(tree, source)
        mountfd.attach(tree, place, source)
    finally:
        os.close(tree)


def give_etc_files(container: Container, folder: str) -> None:
    """Let the files made for a container belong to its root."""
    ids = ids_of(container)
    if ids is None:
        return
    owner = ids.owner_outside(0, 0)
    for name in _ETC_FILES:
        os.chown(f"{folder}/{name}", *owner)
