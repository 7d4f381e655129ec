"""A whole tree as a tar stream."""

from __future__ import annotations

import os

from plugrun.layers.treeread import Reader, Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.tarsink import TarSink
    from plugrun.model.idmap import IdMap


def archive_tree(
    root: int, sink: TarSink, *, one_file_system: bool = False, ids: IdMap | None = None
) -> None:
    """Write all that lies beneath a folder, sorted by name; the folder itself has no entry.

    Sockets are left out, as is what goes away meanwhile; with ``one_file_system`` so is what is
    in folders where another one is mounted. ``ids`` are as in ``Reader``.
    """
    reader, walk, device = Reader(ids), Walk(root), os.fstat(root).st_dev
    for node in walk:
        if one_file_system and node.state.st_dev != device:
            if not node.is_folder:
                continue
            walk.skip()
        found = reader.read(node, node.path)
        if found is None:
            continue
        entry, data = found
        try:
            sink.add(entry, data)
        finally:
            if data >= 0:
                os.close(data)
    sink.finish()
