"""``system reset``: everything below a root, gone: containers first, then what they stood on."""

from __future__ import annotations

import os

from plugrun.engine.containers import find_container
from plugrun.engine.rm import kill_ahead, remove
from plugrun.errors import NoSuchContainer
from plugrun.linux.mountinfo import mounts_beneath
from plugrun.linux.mounting import MNT_DETACH, umount
from plugrun.snapshots.trees import delete_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine


def reset(engine: Engine) -> None:
    """Kill and remove every container, then delete the root and its run root with all they hold.

    It can be repeated, and after a kill the next one finishes it. Nobody may use the root
    meanwhile: what is made there at the same time may be lost.
    """
    ids = [one.id for one in engine.metadata.each_container()]
    killed = kill_ahead(engine, ids)
    for id in ids:
        try:
            remove(engine, find_container(engine, id).id, force=True, killed=killed)
        except NoSuchContainer:
            continue  # it was one of --rm, and its end has removed it
    _release_networks(engine)
    engine.close_metadata()
    for place in reversed(mounts_beneath([engine.root, engine.run_root])):
        umount(place, MNT_DETACH)
    for folder in (engine.run_root, engine.root):
        if os.path.isdir(folder):
            delete_tree(folder)


def _release_networks(engine: Engine) -> None:
    """Take from the host what networks made there: bridges outlive the folders that know them."""
    try:
        drivers = sorted(os.listdir(f"{engine.run_root}/network"))
    except FileNotFoundError:
        return
    for driver in drivers:
        engine.network_named(driver).sweep(frozenset())
