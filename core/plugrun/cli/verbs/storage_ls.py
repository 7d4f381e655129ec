"""``plugrun storage ls``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.storageviews import storage_row
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.storages.list import storages

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
