"""``plugrun ps``."""

from __future__ import annotations

import time

from plugrun.cli import output
from plugrun.cli.filters import containers_filter
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.views import PS_HEADERS, PS_TABLE, container_row
from plugrun.engine.containers import list_containers
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """List containers, newest first."""
    v = parsed.values
    last = 1 if v["latest"] else v["last"]
    passes = containers_filter(v["filter"])
    stated = any(text.startswith(("status=", "exited=")) for text in v["filter"])
    listed = list_containers(open_healed(options), v["all"] or last > 0 or stated)
    now = time.time_ns()
    found = [(container, status) for container, status in listed if passes(container, status)]
    shown = found[:last] if last > 0 else found
    rows = [container_row(container, status, v["no_trunc"], now) for container, status in shown]
    if v["quiet"] and not v["format"]:
        output.write("".join(f"{row['ID']}\n" for row in rows))
    else:
        output.write(render(v["format"], PS_TABLE, PS_HEADERS, rows))
    return 0
