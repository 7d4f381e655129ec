"""``plugrun registry rm``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_configured
from plugrun.engine.images.repository import delete
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Delete each, and print what it was."""
    engine = open_configured(options)
    return each(parsed.args, lambda name: delete(engine, name))
