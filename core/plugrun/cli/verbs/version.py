"""``plugrun version``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.document import show_document
from plugrun.cli.options import Parsed
from plugrun.engine.info import version
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print versions; there is no server, so all of it is the client's."""
    output.write(show_document({"Client": version()}, parsed.values["format"]))
    return 0
