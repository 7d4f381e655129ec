"""``export``: a container's whole tree as one tar stream."""

from __future__ import annotations

from plugrun.engine.files.rootfs import bare_rootfs
from plugrun.layers.archive import archive_tree
from plugrun.layers.tarsink import TarSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def export(engine: Engine, container: Container, fd: int) -> None:
    """Write a container's own tree, without volumes, to a descriptor; it may run meanwhile."""
    tree = bare_rootfs(engine, container)
    with tree as root:
        archive_tree(root, TarSink(fd), ids=tree.ids)
    engine.emit_container("export", container)
