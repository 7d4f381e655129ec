"""``plugrun top``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.cli.table import align
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.top import top

_COLUMN = 20


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what runs in a container, in columns of twenty."""
    name, *words = parsed.args
    rows = top(open_healed(options), name, words)
    output.write(align("\n".join("\t".join(row) for row in rows), _COLUMN) + "\n")
    return 0
