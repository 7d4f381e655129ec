"""``plugrun registry tags``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.images.repository import tags
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print the tags, one a line; what a terminal would take for an order is left out."""
    for tag in tags(open_engine(options), parsed.args[0]):
        output.write("".join(c if c.isprintable() else " " for c in tag) + "\n")
    return 0
