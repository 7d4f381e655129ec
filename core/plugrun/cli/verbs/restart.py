"""``plugrun restart``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.restart import restart
from plugrun.engine.stop import ask_ahead


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Restart containers, all asked to stop at once, and print the names they were called by."""
    engine = open_healed(options)

    timeout, signal = parsed.values["timeout"], parsed.values["signal"]
    several = len(parsed.args) > 1
    asked = ask_ahead(engine, parsed.args, signal, keep=True) if several else None

    def act(name: str) -> str:
        restart(engine, name, timeout, signal, asked)
        return name

    return each(parsed.args, act)
