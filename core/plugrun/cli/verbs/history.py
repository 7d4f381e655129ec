"""``plugrun history``."""

from __future__ import annotations

import time

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.units import ago, human_size, rfc3339_local
from plugrun.cli.views import shortened
from plugrun.engine.engine import open_configured
from plugrun.engine.images.history import HistoryEntry, history
from plugrun.engine.request import GlobalOptions
from plugrun.model.times import rfc3339_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_TABLE = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_EXACT_TABLE = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_HEADERS = {
    "ID": "IMAGE",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_CREATED_BY = 45
_MISSING = "<missing>"


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print an image's steps, the last one first."""
    v = parsed.values
    entries = history(open_configured(options), parsed.args[0])
    now = time.time_ns()
    rows = [_row(entry, v["no_trunc"], v["human"], now) for entry in entries]
    if v["quiet"] and not v["format"]:
        output.write("".join(f"{row['ID']}\n" for row in rows))
    else:
        table = _TABLE if v["human"] else _EXACT_TABLE
        output.write(render(v["format"], table, _HEADERS, rows))
    return 0


def _row(entry: HistoryEntry, full: bool, human: bool, now_ns: int) -> Mapping[str, Any]:
    created = rfc3339_ns(entry.created)
    exact = rfc3339_local(created) if created else "N/A"
    since = ago(created, now_ns) if created else "N/A"
    command = entry.created_by.replace("\t", " ")
    return {
        "Comment": entry.comment,
        "CreatedAt": exact,
        "CreatedBy": command if full else shortened(command, _CREATED_BY),
        "CreatedSince": since if human else exact,
        "ID": (entry.image if full else entry.image[7:19]) or _MISSING,
        "Size": human_size(entry.size) if human else str(entry.size),
    }
