"""What ``system df`` shows: a summary, or with ``-v`` every image, container and volume."""

from __future__ import annotations

import time

from plugrun.cli.psimages import ImageNames
from plugrun.cli.storageviews import storage_row
from plugrun.cli.table import table
from plugrun.cli.units import ago, human_size
from plugrun.cli.views import container_row, image_row
from plugrun.model.reference import parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.engine.build.kept import Kept
    from plugrun.engine.diskusage import DiskUsage, ImageUsage, VolumeUsage
    from plugrun.engine.engine import Engine

    Row = dict[str, Any]

SUMMARY_TABLE = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"
SUMMARY_HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
_IMAGES = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINERS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
_VOLUMES = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
_STORAGES = {
    "Name": "STORAGE",
    "Images": "IMAGES",
    "Containers": "CONTAINERS",
    "Snapshots": "SNAPSHOTS",
    "Size": "SIZE",
}
_CACHE = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "UsageCount": "USAGE",
    "Shared": "SHARED",
}


def summary(usage: DiskUsage) -> list[Row]:
    """Return one row for each kind of object."""
    active = [one for one in usage.images if one.containers]
    used = sum(one.unique for one in active)
    running = [one for one in usage.containers if one.status.state not in ("created", "exited")]
    wrote = sum(one.size for one in usage.containers)
    linked = [one for one in usage.volumes if one.links]
    kept = sum(one.size for one in usage.volumes)
    return [
        _row("Images", len(usage.images), len(active), usage.layers, usage.layers - used),
        _row(
            "Containers",
            len(usage.containers),
            len(running),
            wrote,
            wrote - sum(one.size for one in running),
        ),
        _row(
            "Local Volumes",
            len(usage.volumes),
            len(linked),
            kept,
            kept - sum(one.size for one in linked),
        ),
        _cache_row(usage.builds),
    ]


def _cache_row(builds: Sequence[Kept]) -> Row:
    size = sum(one.size for one in builds)
    free = sum(one.size for one in builds if not one.in_use)
    return _row("Build Cache", len(builds), sum(one.in_use for one in builds), size, free)


def _row(kind: str, total: int, active: int, size: int, reclaimable: int) -> Row:
    percent = f" ({reclaimable * 100 // size}%)" if size else ""
    return {
        "Active": str(active),
        "Reclaimable": human_size(reclaimable, 4) + percent,
        "Size": human_size(size, 4),
        "TotalCount": str(total),
        "Type": kind,
    }


def details(engine: Engine, usage: DiskUsage) -> str:
    """Return a table for each kind of object."""
    parts = (
        ("Images space usage:", _IMAGES, _image_rows(usage, full=False)),
        ("Containers space usage:", _CONTAINERS, _container_rows(engine, usage, full=False)),
        ("Local Volumes space usage:", _VOLUMES, _volume_rows(usage.volumes)),
    )
    text = ""
    for heading, columns, rows in parts:
        cells = [[str(row[field]) for field in columns] for row in rows]
        text += f"{heading}\n\n{table(list(columns.values()), cells)}\n"
    size = human_size(sum(one.size for one in usage.builds), 4)
    found = _cache_rows(usage.builds, full=False)
    cells = [[str(row[field]) for field in _CACHE] for row in found]
    text += f"Build cache usage: {size}\n\n{table(list(_CACHE.values()), cells)}"
    if usage.storages:
        text += f"\nStorages space usage:\n\n{storages(usage)}"
    return text


def storages(usage: DiskUsage) -> str:
    """Return the table of storages: each has its own copy of what it unpacked."""
    rows = [storage_row(one) for one in usage.storages]
    return table(list(_STORAGES.values()), [[row[field] for field in _STORAGES] for row in rows])


def detailed_document(engine: Engine, usage: DiskUsage) -> dict[str, Any]:
    """Return all rows of ``-v``, with full IDs."""
    own = {"Storages": [storage_row(one) for one in usage.storages]} if usage.storages else {}
    return {
        "Images": _image_rows(usage, full=True),
        "Containers": [
            {key: value for key, value in row.items() if not callable(value)}
            for row in _container_rows(engine, usage, full=True)
        ],
        "Volumes": _volume_rows(usage.volumes),
        "BuildCache": _cache_rows(usage.builds, full=True),
        **own,
    }


def _image_rows(usage: DiskUsage, full: bool) -> list[Row]:
    now = time.time_ns()
    rows = []
    for one in usage.images:
        row = image_row(one.image, *_first_tag(one), "", full, now)
        row["SharedSize"] = human_size(one.shared, 4)
        row["UniqueSize"] = human_size(one.unique, 4)
        row["Containers"] = str(one.containers)
        rows.append(row)
    return rows


def _first_tag(usage: ImageUsage) -> tuple[str, str]:
    for name in usage.names:
        reference = parse_reference(name.name, default_tag="")
        if reference.tag:
            return reference.familiar_name, reference.tag
    return "", ""


def _container_rows(engine: Engine, usage: DiskUsage, full: bool) -> list[Row]:
    now, images = time.time_ns(), ImageNames(engine)
    rows = []
    for one in usage.containers:
        row = container_row(one.container, one.status, full, now)
        row["Image"] = images.shown(one.container, full)
        row["Size"] = human_size(one.size)
        rows.append(row)
    return rows


def _volume_rows(volumes: Sequence[VolumeUsage]) -> list[Row]:
    return [
        {"Links": str(one.links), "Name": one.name, "Size": human_size(one.size, 4)}
        for one in volumes
    ]


def _cache_rows(builds: Sequence[Kept], *, full: bool) -> list[Row]:
    now = time.time_ns()
    return [
        {
            "CacheType": one.kind,
            "CreatedSince": ago(one.created_ns, now),
            "Description": one.description,
            "ID": one.id if full else one.id[:12],
            "InUse": "false",
            "LastUsedSince": ago(one.used_ns, now),
            "Shared": "true" if one.in_use else "false",
            "Size": human_size(one.size, 4),
            "UsageCount": str(one.uses),
        }
        for one in builds
    ]
