"""``plugrun info``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.document import show_document
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.info import info
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what this engine has, and what it runs on."""
    output.write(show_document(info(open_healed(options)), parsed.values["format"]))
    return 0
