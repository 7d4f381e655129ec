"""``plugrun container inspect``."""

from __future__ import annotations

from plugrun.cli.inspecting import inspect_all
from plugrun.cli.options import Parsed
from plugrun.cli.verbs.inspect import of_container
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print containers as Docker-shaped JSON."""
    engine = open_healed(options)
    return inspect_all(
        parsed.args,
        parsed.values["format"],
        lambda name: of_container(engine, name, size=parsed.values["size"]),
    )
