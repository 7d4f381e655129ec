"""``plugrun volume prune``."""

from __future__ import annotations

from plugrun.cli.options import Parsed
from plugrun.cli.pruning import confirmed, report
from plugrun.cli.volumefilter import prune_filter
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes.prune import prune_volumes

_WARNING = "WARNING! This will remove {} local volumes not used by at least one container."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Ask, remove the volumes that nobody uses, and print them and what that freed."""
    v = parsed.values
    wanted = prune_filter(v["filter"], v["all"])
    if v["force"] or confirmed(_WARNING.format("all" if v["all"] else "anonymous")):
        report(("Volumes", prune_volumes(open_healed(options), wanted)))
    return 0
