"""``plugrun network disconnect``."""

from __future__ import annotations

from plugrun.cli.options import Parsed
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.connect import disconnect
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Take a container off a network; print nothing."""
    network, container = parsed.args
    disconnect(open_healed(options), network, container)
    return 0
