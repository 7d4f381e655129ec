"""``plugrun system prune``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.filters import read_until
from plugrun.cli.networkfilter import wanted_networks
from plugrun.cli.options import Parsed
from plugrun.cli.pruning import (
    confirmed,
    prune_filters,
    report,
    wanted_containers,
    wanted_images,
)
from plugrun.cli.units import human_size
from plugrun.cli.volumefilter import prune_filter
from plugrun.engine.build.kept import Kept, prune_builds
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.networks.remove import prune_networks
from plugrun.engine.prune import prune_containers, prune_images
from plugrun.engine.request import GlobalOptions
from plugrun.engine.storages.absent import absent_storages
from plugrun.engine.volumes.prune import prune_volumes


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Remove all that nobody uses, and print what that was."""
    v = parsed.values
    filters = prune_filters(v["filter"])
    if v["volumes"] and "until" in filters:
        raise SaidError('ERROR: The "until" filter is not supported with "--volumes"')
    engine = open_healed(options)
    containers, images = wanted_containers(filters), wanted_images(engine, filters)
    if not v["force"] and not confirmed(_warning(v["all"], v["volumes"], v["filter"])):
        return 0
    heal_storage(engine)
    gone = [("Containers", prune_containers(engine, containers))]
    gone.append(("Networks", prune_networks(engine, wanted_networks(filters))))
    if v["volumes"]:
        anonymous = prune_filter(v["filter"], all_volumes=False)
        gone.append(("Volumes", prune_volumes(engine, anonymous)))
    gone.append(("Images", prune_images(engine, v["all"], images)))
    until = read_until(filters)
    builds = prune_builds(engine, v["all"], lambda one: _is_wanted(one, until))
    report(*gone, ("build cache objects", builds))
    for one in absent_storages(engine):
        output.error(
            f"note: {human_size(one.size, 4)} in {one.path} stay: {one.error.message}\n"
            f"hint: prune again when that storage can be used ({one.error.hint}); "
            "or delete that folder"
        )
    return 0


def _is_wanted(one: Kept, until: int | None) -> bool:
    return until is None or one.used_ns <= until


def _warning(everything: bool, volumes: bool, filters: tuple[str, ...]) -> str:
    """Return Docker's text."""
    items = ["all stopped containers", "all networks not used by at least one container"]
    if volumes:
        items.append("all anonymous volumes not used by at least one container")
    if everything:
        items += ["all images without at least one container associated to them"]
        items += ["all build cache"]
    else:
        items += ["all dangling images", "unused build cache"]
    lines = ["WARNING! This will remove:", *(f"  - {item}" for item in items)]
    if filters:
        lines += ["", "  Items to be pruned will be filtered with:"]
        lines += [f"  - {text}" for text in sorted(filters)]
    return "\n".join(lines) + "\n"
