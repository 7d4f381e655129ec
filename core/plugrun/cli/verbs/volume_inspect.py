"""``plugrun volume inspect``."""

from __future__ import annotations

from plugrun.cli.inspecting import inspect_all
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes.volumes import find_volume, volume_document


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print volumes as Docker-shaped JSON."""
    engine = open_healed(options)
    return inspect_all(
        parsed.args,
        parsed.values["format"],
        lambda name: volume_document(engine, find_volume(engine, name)),
    )
