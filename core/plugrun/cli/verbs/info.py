"""``plugrun info``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.info import info
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what this engine has, and what it runs on."""
    document, form = info(open_healed(options)), parsed.values["format"]
    if form:
        from plugrun.cli.document import show_document

        output.write(show_document(document, form))
    else:
        from plugrun.cli.infoviews import info_text

        output.write(info_text(document))
    return 0
