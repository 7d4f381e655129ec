"""``volume prune``: volumes that nobody uses."""

from __future__ import annotations

from plugrun.engine.prune import Pruned
from plugrun.engine.volumes.folders import LOCK, remove_set_aside, set_aside, sweep, tree_size
from plugrun.model.volume import LOCAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.model.volume import Volume


def prune_volumes(engine: Engine, wanted: Callable[[Volume], bool]) -> Pruned:
    """Remove the volumes that no container uses and that are ``wanted`` gone.

    Those with options stay, as in Docker: what is mounted there is not this machine's to remove.
    """
    sweep(engine)
    table = engine.metadata.volumes
    unused = table.unused()
    names = [v.name for v in table.all() if v.name in unused and not v.options and wanted(v)]
    with engine.locks.exclusive(LOCK):
        # Who began to use one meanwhile keeps it.
        gone = table.remove_unused(names)
        aside = set_aside(engine, gone)
    size = sum(map(tree_size, aside))
    remove_set_aside(aside)
    for name in gone:
        engine.emit("volume", "destroy", name, {"driver": LOCAL})
    engine.emit("volume", "prune", "", {"reclaimed": str(size)})
    return Pruned(tuple(gone), size)
