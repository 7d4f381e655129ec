"""The entry point: a union file system of our own as storage."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Storage


def plugrun_open_storage(root: str) -> Storage:
    """Open the storage in ``root``; nothing is touched before its first verb."""
    from plugrun_storage_fuse.storage import FuseStorage

    return FuseStorage(root)
