"""A storage as a row of a table."""

from __future__ import annotations

from plugrun.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.storages.list import StorageState


def storage_row(state: StorageState) -> dict[str, Any]:
    """Return a storage as a row of the table; ``Shown`` is its name with the mark."""
    return {
        "Containers": str(state.containers),
        "Current": "true" if state.current else "false",
        "Images": str(state.images),
        "Name": state.name,
        "Reason": state.reason,
        "Shown": f"{state.name} *" if state.current else state.name,
        "Size": "N/A" if state.size < 0 else human_size(state.size, 4),
        "Snapshots": str(state.snapshots),
        "Works": "yes" if not state.reason else f"no: {state.reason}",
    }
