"""``plugrun rm``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.rm import kill_ahead, remove
from plugrun.errors import NoSuchContainer


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove containers and print the names they were called by.

    With ``--force`` one that does not exist is no failure, as in Docker.
    """
    engine = open_healed(options)
    force = parsed.values["force"]
    several = force and len(parsed.args) > 1
    killed = kill_ahead(engine, parsed.args) if several else {}

    def act(name: str) -> str:
        remove(engine, name, force, killed, volumes=parsed.values["volumes"])
        return name

    return each(parsed.args, act, (NoSuchContainer,) if force else ())
