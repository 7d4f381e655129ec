"""``plugrun ps``."""

from __future__ import annotations

import time

from plugrun.cli import output
from plugrun.cli.listing import needs, render
from plugrun.cli.portcells import ports_cell
from plugrun.cli.psimages import ImageNames
from plugrun.cli.views import PS_HEADERS, PS_TABLE, container_row, ps_raw
from plugrun.engine.containers import list_containers
from plugrun.engine.heal import open_healed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.cli.options import Parsed
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions
    from plugrun.model.container import Container, Status

_IGNORED = "WARNING: Ignoring custom format, because both --format and --quiet are set."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List containers, newest first."""
    v = parsed.values
    engine = open_healed(options)
    found = _found(engine, v)
    if v["quiet"]:
        if v["format"]:
            output.error(_IGNORED)
        ids = (c.id if v["no_trunc"] else c.short_id for c, _ in found)
        output.write("".join(f"{id}\n" for id in ids))
        return 0
    form, table = v["format"], PS_TABLE
    sized = v["size"] or needs(form, "Size")
    if v["size"]:
        table += "\t{{.Size}}"
        form += "\t{{.Size}}" if form.startswith("table ") and not needs(form, "Size") else ""
    rows = _rows(engine, found, v["no_trunc"], sized)
    raw = ps_raw(v["size"])
    output.write(render(form, table, PS_HEADERS, rows, raw, "ContainerContext"))
    return 0


def _found(engine: Engine, v: Mapping[str, Any]) -> list[tuple[Container, Status]]:
    """Return what is listed; the newest so many are counted after the filters."""
    last = 1 if v["latest"] else v["last"]
    stated = any(text.partition("=")[0].strip() == "status" for text in v["filter"])
    listed = list_containers(engine, v["all"] or last > 0 or stated)
    if v["filter"]:
        from plugrun.cli.psfilter import containers_filter

        passes = containers_filter(engine, v["filter"])
        listed = (pair for pair in listed if passes(*pair))
    if last <= 0:
        return list(listed)
    return [pair for _, pair in zip(range(last), listed, strict=False)]


def _rows(
    engine: Engine, found: list[tuple[Container, Status]], full: bool, sized: bool
) -> list[dict[str, Any]]:
    now, images = time.time_ns(), ImageNames(engine)
    rows = []
    for container, status in found:
        row = container_row(container, status, full, now)
        row["Image"] = images.shown(container, full)
        if container.endpoints:
            row["Ports"] = ports_cell(engine, container, status)
        if sized:
            row["Size"] = _size(engine, container)
        rows.append(row)
    return rows


def _size(engine: Engine, container: Container) -> str:
    from plugrun.cli.units import human_size
    from plugrun.engine.sizes import container_size

    size = container_size(engine, container)
    own = human_size(size.own)
    return f"{own} (virtual {human_size(size.virtual)})" if size.virtual > 0 else own
