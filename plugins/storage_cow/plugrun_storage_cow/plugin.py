"""The entry point: copy-on-write directories as storage."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Storage


def plugrun_open_storage(root: str) -> Storage:
    """Open the storage in ``root``; nothing is touched before its first verb."""
    from plugrun_storage_cow.storage import CowStorage

    return CowStorage(root)
