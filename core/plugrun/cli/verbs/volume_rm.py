"""``plugrun volume rm``."""

from __future__ import annotations

from plugrun.cli.each import each
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes.volumes import remove_volume
from plugrun.errors import NoSuchVolume


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove volumes and print their names; with ``--force`` those that do not exist, too."""
    engine = open_healed(options)
    force = parsed.values["force"]

    def act(name: str) -> str:
        try:
            remove_volume(engine, name)
        except NoSuchVolume:
            if not force:
                raise
        return name

    return each(parsed.args, act)
