"""Free what killed commands left half-made."""

from __future__ import annotations

import os

from plugrun.api import ACTIVE, Conflict, Corrupt

from plugrun_storage_overlay.records import FOLDERS, Records
from plugrun_storage_overlay.trees import delete


def sweep(records: Records) -> int:
    """Delete every file that no record names; return how many pieces went.

    What the kernel refuses to delete stays and is tried again next time. Layers that a damaged
    record may be about stay as long as another record stands on them.
    """
    if not os.path.exists(f"{records.root}/lock"):  # made last: nothing has happened here yet
        return 0
    own, named = _named(records)
    pieces = 0
    for folder, keep in (("t", frozenset()), ("r", frozenset()), ("l", own | named)):
        pieces += _sweep_folder(f"{records.root}/{folder}", keep)
    active = {r.id for r in records.all() if r.kind == ACTIVE}
    for folder in ("w", "p"):
        pieces += _sweep_folder(f"{records.root}/{folder}", active)
    return pieces


def _named(records: Records) -> tuple[set[str], set[str]]:
    own: set[str] = set()
    below: set[str] = set()
    for kind, folder in FOLDERS.items():
        for key in os.listdir(f"{records.root}/{folder}"):
            try:
                found = records.find(key, (kind,))
            except Corrupt:
                os.unlink(records.path(kind, key))
                continue
            if found is not None:
                own.add(found.id)
                below.update(found.lower)
    return own, below


def _sweep_folder(folder: str, keep: frozenset[str] | set[str]) -> int:
    gone = 0
    for name in os.listdir(folder):
        if name not in keep:
            gone += _sweep_piece(f"{folder}/{name}")
    return gone


def _sweep_piece(path: str) -> int:
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            delete(path)
        else:
            os.unlink(path)
    except Conflict:
        return 0
    return 1
