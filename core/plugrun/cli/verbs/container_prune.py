"""``plugrun container prune``."""

from __future__ import annotations

from plugrun.cli.options import Parsed
from plugrun.cli.pruning import confirmed, prune_filters, report, wanted_containers
from plugrun.engine.heal import open_healed
from plugrun.engine.prune import prune_containers
from plugrun.engine.request import GlobalOptions

_WARNING = "WARNING! This will remove all stopped containers."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove stopped containers, and print which."""
    v = parsed.values
    wanted = wanted_containers(prune_filters(v["filter"]))
    if v["force"] or confirmed(_WARNING):
        report(("Containers", prune_containers(open_healed(options), wanted)))
    return 0
