"""``plugrun stop``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.stop import ask_ahead, stop


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Stop containers, all at once, and print the names they were called by."""
    engine = open_healed(options)
    timeout, signal = parsed.values["timeout"], parsed.values["signal"]
    asked = ask_ahead(engine, parsed.args, signal) if len(parsed.args) > 1 else None

    def act(name: str) -> str:
        stop(engine, name, timeout, signal, asked)
        return name

    return each(parsed.args, act)
