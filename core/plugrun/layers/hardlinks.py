"""Hard links lead to earlier entries of the same layer, and to nothing else."""

from __future__ import annotations

import os
import stat

from plugrun.errors import Corrupt, HostileArchive
from plugrun.layers.entry import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.layers.deletions import Deletions
    from plugrun.layers.entry import Entry
    from plugrun.layers.folders import Folder, Folders


def link_source(folders: Folders, deletions: Deletions, target: bytes, entry: Entry) -> Folder:
    """Return the folder of a hard link's target; raise Corrupt if the target is not there."""
    *above, base = target.split(b"/")
    folder = folders.of(above, make=False)
    missing = f"{shown(entry.name)} is a hard link to {target[:200]!r}, which is not in the layer"
    try:
        state = os.stat(base, dir_fd=folder.fd, follow_symlinks=False)
    except FileNotFoundError:
        raise Corrupt(missing) from None
    if deletions.is_foreign(target, state):
        raise Corrupt(missing)
    if stat.S_ISDIR(state.st_mode):
        raise HostileArchive(f"{shown(entry.name)} is a hard link to a folder")
    return folder
