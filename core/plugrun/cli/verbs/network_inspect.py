"""``plugrun network inspect``."""

from __future__ import annotations

from plugrun.cli.inspecting import inspect_all
from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.document import network_document
from plugrun.engine.networks.find import find_network
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print networks as Docker-shaped JSON."""
    engine = open_healed(options)
    return inspect_all(
        parsed.args,
        parsed.values["format"],
        lambda name: network_document(engine, find_network(engine, name)),
    )
