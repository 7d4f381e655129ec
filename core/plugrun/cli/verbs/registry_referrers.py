"""``plugrun registry referrers``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.cli.units import human_size
from plugrun.engine.engine import open_engine
from plugrun.engine.images.repository import referrers
from plugrun.engine.request import GlobalOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.interfaces.transport import Referrer

_TABLE = "{{.Digest}}\t{{.Type}}\t{{.Size}}"
_HEADERS: Mapping[str, Any] = {
    "Digest": "DIGEST",
    "Type": "TYPE",
    "Size": "SIZE",
    "Annotations": "ANNOTATIONS",
}
_SHORT = 19


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what refers to an image."""
    values = parsed.values
    found = referrers(open_engine(options), parsed.args[0], values["type"])
    rows = [_row(each, values["no_trunc"]) for each in found]
    output.write(render(values["format"], _TABLE, _HEADERS, rows))
    return 0


def _row(each: Referrer, full: bool) -> dict[str, Any]:
    digest = each.manifest.digest
    notes = ",".join(f"{key}={value}" for key, value in each.annotations)
    return {
        "Digest": digest if full else digest[:_SHORT],
        "Type": _printable(each.artifact_type or each.manifest.media_type),
        "Size": human_size(each.manifest.size, 4),
        "Annotations": _printable(notes),
    }


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
