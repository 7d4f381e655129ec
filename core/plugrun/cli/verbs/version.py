"""``plugrun version``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.info import version
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print versions; the engine is in this process, so it is server and client in one."""
    document, form = version(), parsed.values["format"]
    if form:
        from plugrun.cli.document import show_document

        output.write(show_document(document, form))
    else:
        from plugrun.cli.infoviews import version_text

        output.write(version_text(document))
    return 0
