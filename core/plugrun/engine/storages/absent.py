"""Storages with state below this root that cannot be opened: what lies there nobody can read."""

from __future__ import annotations

import os

from plugrun.engine.heal import stored_names
from plugrun.errors import BackendUnavailable, PluginError, PlugrunError
from plugrun.model.record import record
from plugrun.snapshots.trees import measure_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


@record
class AbsentStorage:
    """One of them: where its state lies, what it takes on the disk, and why it cannot be opened."""

    name: str
    path: str
    size: int
    error: PlugrunError


def absent_storages(engine: Engine) -> list[AbsentStorage]:
    """Return the storages that cannot be opened and have left something."""
    found = []
    for name in stored_names(engine):
        try:
            engine.storage_named(name)
        except (PluginError, BackendUnavailable) as error:
            size = left_by(engine, name)
            if size:
                found.append(AbsentStorage(name, f"{engine.root}/storage/{name}", size, error))
    return found


def left_by(engine: Engine, name: str) -> int:
    """Return the bytes that a storage takes on the disk; 0 if it keeps no more than its own frame.

    That is empty folders, and beside them a file to lock, or one of settings.
    """
    path = f"{engine.root}/storage/{name}"
    if not os.path.isdir(path):
        return 0
    found = measure_tree(path)
    folders = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    holds = any(map(os.listdir, folders)) if folders else found.content
    return found.bytes if holds else 0
