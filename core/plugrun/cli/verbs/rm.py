"""``plugrun rm``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.rm import remove
from plugrun.errors import NoSuchContainer


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove containers and print the names they were called by.

    With ``--force`` one that does not exist is removed already, as in Docker.
    """
    engine = open_engine(options)
    force = parsed.values["force"]
    missing = []

    def act(name: str) -> str:
        try:
            remove(engine, name, force)
        except NoSuchContainer:
            missing.append(name)
            raise
        return name

    code = each(parsed.args, act)
    return 0 if force and len(missing) == len(parsed.args) else code
