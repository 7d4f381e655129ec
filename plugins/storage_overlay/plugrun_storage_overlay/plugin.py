"""The entry point: kernel overlayfs as storage."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Option, Storage


def plugrun_open_storage(root: str, options: Mapping[str, Any]) -> Storage:
    """Open the storage in ``root``; nothing is touched before its first verb."""
    from plugrun_storage_overlay.storage import OverlayStorage

    return OverlayStorage(root, durable=options["durable"])


def plugrun_options() -> tuple[Option, ...]:
    """Declare the one option."""
    from plugrun.api import Option

    text = "write a layer to the disk before it counts as committed (syncfs)"
    return (Option("durable", "boolean", True, text),)
