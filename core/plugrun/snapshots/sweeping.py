"""Free what killed commands left half-made."""

from __future__ import annotations

import os

from plugrun.errors import Conflict, Corrupt
from plugrun.interfaces.storage import ACTIVE
from plugrun.snapshots.records import FOLDERS, SnapshotRecords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def sweep(records: SnapshotRecords, discard: Callable[[str], None]) -> int:
    """Delete every file that no record names; return how many pieces went.

    ``discard`` deletes one file or tree, and raises Conflict where it cannot.

    What the kernel refuses to delete stays and is tried again next time. The damaged record of a
    committed layer or a view goes: a layer can be unpacked again, and stays as long as another
    record stands on it. That of an active snapshot is kept until it is removed, and so is every
    folder that it may be about: what a container wrote cannot be had again.
    """
    if not os.path.exists(f"{records.root}/lock"):  # made last: nothing has happened here yet
        return 0
    own, named, unknown = _named(records)
    pieces = 0
    for folder in ("t", "r"):
        pieces += _sweep_folder(f"{records.root}/{folder}", frozenset(), discard)
    if unknown:
        return pieces
    pieces += _sweep_folder(f"{records.root}/l", own | named, discard)
    active = {r.id for r in records.all() if r.kind == ACTIVE}
    for folder in ("w", "p"):
        pieces += _sweep_folder(f"{records.root}/{folder}", active, discard)
    return pieces


def _named(records: SnapshotRecords) -> tuple[set[str], set[str], bool]:
    """Return whose folders are named, what is beneath them, and whether that may not be all."""
    own: set[str] = set()
    below: set[str] = set()
    unknown = False
    for kind, folder in FOLDERS.items():
        for key in os.listdir(f"{records.root}/{folder}"):
            try:
                found = records.find(key, (kind,))
            except Corrupt:
                if kind == ACTIVE:
                    unknown = True
                else:
                    os.unlink(records.path(kind, key))
                continue
            if found is not None:
                own.add(found.id)
                below.update(found.lower)
    return own, below, unknown


def _sweep_folder(
    folder: str, keep: frozenset[str] | set[str], discard: Callable[[str], None]
) -> int:
    gone = 0
    for name in os.listdir(folder):
        if name in keep:
            continue
        try:
            discard(f"{folder}/{name}")
        except Conflict:
            continue
        gone += 1
    return gone
