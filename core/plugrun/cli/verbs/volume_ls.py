"""``plugrun volume ls``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.volumefilter import volumes_filter
from plugrun.engine.engine import Engine
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes.folders import volume_data
from plugrun.model.volume import Volume

_TABLE = "{{.Driver}}\t{{.Name}}"
_HEADERS: Mapping[str, Any] = {
    "Availability": "AVAILABILITY",
    "Driver": "DRIVER",
    "Group": "GROUP",
    "Label": lambda name: name,
    "Labels": "LABELS",
    "Links": "LINKS",
    "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Size": "SIZE",
    "Status": "STATUS",
}


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List volumes by name."""
    v = parsed.values
    passes = volumes_filter(v["filter"])
    engine = open_healed(options)
    table = engine.metadata.volumes
    unused = table.unused()
    found = [volume for volume in table.all() if passes(volume, volume.name in unused)]
    if v["quiet"] and not v["format"]:
        output.write("".join(f"{volume.name}\n" for volume in found))
    else:
        rows = [_row(engine, volume) for volume in found]
        output.write(render(v["format"], _TABLE, _HEADERS, rows))
    return 0


def _row(engine: Engine, volume: Volume) -> dict[str, Any]:
    labels = dict(volume.labels)
    return {
        "Availability": "N/A",
        "Driver": volume.driver,
        "Group": "N/A",
        "Label": lambda name: labels.get(name, ""),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Links": "N/A",
        "Mountpoint": volume_data(engine, volume.name),
        "Name": volume.name,
        "Scope": "local",
        "Size": "N/A",
        "Status": "N/A",
    }
