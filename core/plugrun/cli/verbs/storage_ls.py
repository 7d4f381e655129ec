"""``plugrun storage ls``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.units import human_size
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.storages import StorageState, storages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TABLE = "{{.Shown}}\t{{.Images}}\t{{.Containers}}\t{{.Snapshots}}\t{{.Size}}\t{{.Works}}"
HEADERS = {
    "Shown": "STORAGE",
    "Name": "STORAGE",
    "Current": "CURRENT",
    "Images": "IMAGES",
    "Containers": "CONTAINERS",
    "Snapshots": "SNAPSHOTS",
    "Size": "SIZE",
    "Works": "WORKS HERE",
    "Reason": "WHY NOT",
}


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List storages with state here; ``*`` marks the one that new containers get."""
    rows = [storage_row(one) for one in storages(open_healed(options))]
    if parsed.values["quiet"]:
        output.write("".join(f"{row['Name']}\n" for row in rows))
        return 0
    output.write(render(parsed.values["format"], TABLE, HEADERS, rows))
    return 0


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
