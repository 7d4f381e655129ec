"""``plugrun wait``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.wait import wait


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Wait for containers, one after another, and print their exit codes."""
    engine = open_healed(options)
    return each(parsed.args, lambda name: str(wait(engine, name)))
