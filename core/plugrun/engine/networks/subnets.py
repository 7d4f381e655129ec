"""Other subnets for the default network, whose own have been taken by something on the host."""

from __future__ import annotations

from plugrun.engine.networks.attached import is_attached
from plugrun.engine.networks.find import LOCK
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.network import NetworkConfig


def give_other_subnets(engine: Engine, network: NetworkConfig) -> None:
    """Have a network's backend choose again; containers on it stay on it, and get new addresses.

    Conflict while one of them runs.
    """
    table, backend = engine.metadata.networks, engine.network_named(network.driver)
    with engine.locks.exclusive(LOCK):
        others = [one for one in table.all() if one.id != network.id]
        table.check_unused(network.id, lambda id: is_attached(engine, id, network.id))
        backend.remove(network)
        made = backend.create(replace(network, subnets=()), others)
        table.change(replace(made, id=network.id, name=network.name, driver=network.driver))
