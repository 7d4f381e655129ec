"""What readdir(3) gives: a folder's names at places that stay theirs.

The kernel is told that opening folders needs no request, so all who read a folder share one list.
A name keeps its place while it is there, a new one comes at the end, and a place is not used
again; so whoever is in the middle of reading while names go misses none of the others.
"""

from __future__ import annotations

from plugrun_storage_fuse.server.nodes import Folder
from plugrun_storage_fuse.server.union import Union

_SPARE_PLACES = 4096


def places(union: Union, folder: Folder, start: int) -> list[bytes | None]:
    """Return the names by place; who starts to read gets them afresh."""
    if folder.removed:
        return []
    if folder.stale and not start:
        _renew(folder, union.layers.names(folder))
    return folder.listing


def _renew(folder: Folder, names: list[bytes]) -> None:
    folder.stale = False
    old = folder.listing
    if len(old) > 4 * len(names) + _SPARE_PLACES:
        # A reader that is under way begins anew: it sees names twice, but misses none.
        old = []
    now = set(names)
    kept = [name if name in now else None for name in old]
    now.difference_update(kept)
    kept.extend([name for name in names if name in now])
    folder.listing = kept
