"""``network rm`` and ``network prune``."""

from __future__ import annotations

from plugrun.engine.networks.attached import is_attached
from plugrun.engine.networks.find import LOCK, find_network
from plugrun.engine.prune import Pruned
from plugrun.errors import Conflict, InvalidArgument, NoSuchNetwork
from plugrun.model.network import BRIDGE, HOST, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.model.network import NetworkConfig


def remove_network(engine: Engine, text: str) -> None:
    """Remove a network; Conflict, in Docker's words, while a container that runs is on it."""
    network = find_network(engine, text)
    if network.name in (BRIDGE, HOST, NONE):
        raise InvalidArgument(f"{network.name} is a pre-defined network and cannot be removed")
    with engine.locks.exclusive(LOCK):
        drop(engine, network)
    engine.emit("network", "destroy", network.id, {"name": network.name, "type": network.driver})


def drop(engine: Engine, network: NetworkConfig) -> None:
    """Take a network from the host and forget it; the lock is held.

    Forgotten first: a kill leaves what ``system check`` finds, and no network without a bridge.
    """
    try:
        engine.metadata.networks.remove(network.id, lambda id: is_attached(engine, id, network.id))
    except Conflict as error:
        raise Conflict(
            f"error while removing network: network {network.name} id {network.id} has active "
            "endpoints",
            hint="stop the containers on it, or take them off it with plugrun network disconnect",
        ) from error
    engine.network_named(network.driver).remove(network)


def prune_networks(engine: Engine, wanted: Callable[[NetworkConfig], bool]) -> Pruned:
    """Remove the networks of one's own that no container that runs is on; return their names."""
    gone = []
    for network in engine.metadata.networks.all():
        if network.name == BRIDGE or not wanted(network):
            continue
        try:
            remove_network(engine, network.id)
        except (Conflict, NoSuchNetwork):
            continue
        gone.append(network.name)
    engine.emit("network", "prune", "", {"reclaimed": "0"})
    return Pruned(tuple(gone), 0)
