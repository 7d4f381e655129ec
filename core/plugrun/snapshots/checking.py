"""What is wrong with a storage's state: records against what lies on the disk; nothing is changed.

Whoever calls it keeps others from making and removing snapshots meanwhile, or takes what is half
made for a fault.
"""

from __future__ import annotations

import os
import stat

from plugrun.errors import Corrupt, PlugrunError
from plugrun.interfaces.storage import ACTIVE, BROKEN, DAMAGED, MISSING, STRAY, Fault
from plugrun.snapshots.records import FOLDERS, SnapshotRecord, SnapshotRecords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def check(records: SnapshotRecords) -> Iterator[Fault]:
    """Yield what is wrong."""
    if not os.path.exists(f"{records.root}/lock"):  # made last: nothing has happened here yet
        return
    found, damaged = _read(records)
    yield from damaged
    present, owned = _folders(records), {each.id for each in found}
    # From the lowest up, as they are to be mended.
    for each in sorted(found, key=lambda one: len(one.lower)):
        yield from _files(records, each, present, owned)
    named = {id for each in found for id in (each.id, *each.lower) if id}
    if any(fault.kind == DAMAGED for fault in damaged):
        return  # what nobody names may be what a damaged record names
    for id in sorted(present - named):
        yield Fault(STRAY, "", f"{records.root}/l/{id}", "no record names these files")
    active = {each.id for each in found if each.kind == ACTIVE}
    for folder, keep in (("w", active), ("p", active), ("r", set()), ("t", set())):
        for name in sorted(set(os.listdir(f"{records.root}/{folder}")) - keep):
            path = f"{records.root}/{folder}/{name}"
            yield Fault(STRAY, "", path, "a killed command left it half-made")


def _read(records: SnapshotRecords) -> tuple[list[SnapshotRecord], list[Fault]]:
    found: list[SnapshotRecord] = []
    damaged: list[Fault] = []
    for kind, folder in FOLDERS.items():
        for key in sorted(os.listdir(f"{records.root}/{folder}")):
            path = records.path(kind, key)
            try:
                one = records.find(key, (kind,))
            except (PlugrunError, OSError) as error:
                why = "cannot be read" if isinstance(error, Corrupt) else str(error)
                damaged.append(Fault(DAMAGED, key, path, f"the record of this snapshot {why}"))
                continue
            if one is not None:
                found.append(one)
    return found, damaged


def _folders(records: SnapshotRecords) -> set[str]:
    """Return the names of what lies in ``l``, folder or not."""
    return set(os.listdir(f"{records.root}/l"))


def _files(
    records: SnapshotRecords, one: SnapshotRecord, present: set[str], owned: set[str]
) -> Iterator[Fault]:
    path = f"{records.root}/l/{one.id}"
    if one.id and one.id not in present:
        yield Fault(MISSING, one.key, path, "the files of this snapshot are gone")
    elif one.id and not stat.S_ISDIR(os.lstat(path).st_mode):
        yield Fault(MISSING, one.key, path, "where this snapshot's files should be is no folder")
    for id in one.lower:
        if id not in present and id not in owned:
            below = f"{records.root}/l/{id}"
            yield Fault(BROKEN, one.key, below, "a layer that this snapshot stands on is gone")
