"""``plugrun stop``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.stop import stop


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Stop containers, one after another, and print the names they were called by."""
    engine = open_healed(options)

    def act(name: str) -> str:
        stop(engine, name, parsed.values["timeout"], parsed.values["signal"])
        return name

    return each(parsed.args, act)
