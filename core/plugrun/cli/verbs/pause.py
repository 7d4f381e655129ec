"""``plugrun pause``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.pause import pause
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Freeze containers and print the names they were called by."""
    engine = open_healed(options)

    def act(name: str) -> str:
        pause(engine, name)
        return name

    return each(parsed.args, act)
