"""``plugrun image prune``."""

from __future__ import annotations

from plugrun.cli.filters import read_bool
from plugrun.cli.options import Parsed
from plugrun.cli.pruning import KNOWN, confirmed, prune_filters, report, wanted_images
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.prune import prune_images
from plugrun.engine.request import GlobalOptions

_DANGLING = "WARNING! This will remove all dangling images."
_ALL = "WARNING! This will remove all images without at least one container associated to them."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove unused images, and print their names, IDs and layers."""
    v = parsed.values
    filters = prune_filters(v["filter"], KNOWN | {"dangling"})
    everything = v["all"] or read_bool(filters, "dangling") is False
    engine = open_healed(options)
    wanted = wanted_images(engine, filters)
    if v["force"] or confirmed(_ALL if everything else _DANGLING):
        heal_storage(engine)
        report(("Images", prune_images(engine, everything, wanted)))
    return 0
