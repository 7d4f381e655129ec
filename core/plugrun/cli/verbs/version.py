"""``plugrun version``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.document import show_document
from plugrun.cli.options import Parsed
from plugrun.engine.info import version
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print versions; the engine is in this process, so it is server and client in one."""
    both = {"Client": version(), "Server": {"Engine": "plugrun", **version()}}
    output.write(show_document(both, parsed.values["format"]))
    return 0
