"""``plugrun volume prune``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.confirm import confirmed
from plugrun.cli.options import Parsed
from plugrun.cli.units import human_size
from plugrun.cli.volumefilter import prune_filter
from plugrun.engine.heal import open_healed
from plugrun.engine.request import GlobalOptions
from plugrun.engine.volumes import prune_volumes

_WARNING = "This will remove {} local volumes not used by at least one container."


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Ask, remove the volumes that nobody uses, and print them and what that freed."""
    v = parsed.values
    wanted = prune_filter(v["filter"], v["all"])
    warning = _WARNING.format("all" if v["all"] else "anonymous")
    if not v["force"] and not confirmed(warning):
        return 0
    pruned = prune_volumes(open_healed(options), wanted)
    if pruned.names:
        output.write("Deleted Volumes:\n" + "".join(f"{name}\n" for name in pruned.names) + "\n")
    output.line(f"Total reclaimed space: {human_size(pruned.size, 4)}")
    return 0
