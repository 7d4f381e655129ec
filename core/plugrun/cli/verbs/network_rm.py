"""``plugrun network rm``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.remove import remove_network
from plugrun.engine.request import GlobalOptions
from plugrun.errors import NoSuchNetwork


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove networks and print the names they were called by."""
    engine = open_healed(options)
    force = parsed.values["force"]

    def act(name: str) -> str:
        try:
            remove_network(engine, name)
        except NoSuchNetwork:
            if not force:
                raise
            return ""
        return name

    return each(parsed.args, act)
