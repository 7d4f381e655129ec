"""A whole tree as a tar stream."""

from __future__ import annotations

import os

from plugrun.layers.readingahead import ReadingAhead
from plugrun.layers.treeread import Reader, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.layers.tarsink import TarSink
    from plugrun.layers.treeread import Node
    from plugrun.model.idmap import IdMap


def archive_tree(
    root: int, sink: TarSink, *, one_file_system: bool = False, ids: IdMap | None = None
) -> None:
    """Write all that lies beneath a folder, sorted by name; the folder itself has no entry.

    Sockets are left out, as is what goes away meanwhile; with ``one_file_system`` so is what is
    in folders where another one is mounted. ``ids`` are as in ``Reader``.
    """
    reader = Reader(ids)

    def nodes() -> Iterator[Node]:
        return _within(root) if one_file_system else iter(Walk(root))

    with ReadingAhead(root, nodes) as ahead:
        for node in nodes():
            add_node(sink, reader, node, node.path)
            ahead.passed()
    sink.finish()


def _within(root: int) -> Iterator[Node]:
    """Walk without what lies on other file systems; the folders they are mounted at are there."""
    walk, device = Walk(root), os.fstat(root).st_dev
    for node in walk:
        if node.state.st_dev != device:
            if not node.is_folder:
                continue
            walk.skip()
        yield node


def add_node(sink: TarSink, reader: Reader, node: Node, name: bytes) -> int:
    """Write a node's entry under ``name``; return its file's size, 0 if it is gone by now."""
    found = reader.read(node, name)
    if found is None:
        return 0
    entry, data = found
    try:
        sink.add(entry, data)
    finally:
        if data >= 0:
            os.close(data)
    return entry.size
