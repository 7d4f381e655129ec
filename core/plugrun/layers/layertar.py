"""Changes as a layer's tar (image-spec layer.md, "Representing Changes")."""

from __future__ import annotations

from plugrun.layers.archive import add_node
from plugrun.layers.changes import DELETED, told
from plugrun.layers.names import WHITEOUT
from plugrun.layers.tarheader import new_entry
from plugrun.layers.treeread import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.layers.changes import Change
    from plugrun.layers.tarsink import TarSink
    from plugrun.model.idmap import IdMap


def write_layer(changes: Iterable[Change], sink: TarSink, ids: IdMap | None = None) -> int:
    """Write a layer and end the stream; return the sum of its files' sizes.

    Left out are sockets, and names that would read as whiteouts. What a folder hides is deleted
    name by name: only a storage with layers apart knows that it is opaque, and a layer's digest is
    not to depend on the storage. ``ids`` are as in ``Reader``.
    """
    reader = Reader(ids)
    size = 0
    for change in told(changes, all_files=True):
        above, slash, base = change.path.rpartition(b"/")
        if base.startswith(WHITEOUT) or b"/" + WHITEOUT in b"/" + above:
            continue
        if change.kind == DELETED:
            sink.add(new_entry(above + slash + WHITEOUT + base))
            continue
        assert change.node is not None
        size += add_node(sink, reader, change.node, change.path)
    sink.finish()
    return size
