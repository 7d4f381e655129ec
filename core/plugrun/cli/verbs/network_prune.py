"""``plugrun network prune``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.networkfilter import wanted_networks
from plugrun.cli.options import Parsed
from plugrun.cli.pruning import confirmed, prune_filters
from plugrun.engine.heal import open_healed
from plugrun.engine.networks.remove import prune_networks
from plugrun.engine.request import GlobalOptions

_WARNING = "WARNING! This will remove all custom networks not used by at least one container."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Ask, remove the networks that nobody is on, and print them."""
    v = parsed.values
    wanted = wanted_networks(prune_filters(v["filter"]))
    if v["force"] or confirmed(_WARNING):
        gone = prune_networks(open_healed(options), wanted).lines
        if gone:
            output.write("\n".join(("Deleted Networks:", *gone)) + "\n\n")
    return 0
