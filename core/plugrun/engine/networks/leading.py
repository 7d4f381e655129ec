"""Let another network lead out when a container is taken off the one that did."""

from __future__ import annotations

from plugrun.engine.networks.attach import attach_one, endpoint_of
from plugrun.errors import Conflict
from plugrun.interfaces.network import ADDRESSES
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedEndpoint, AttachedTask
    from plugrun.model.container import Container
    from plugrun.model.network import EndpointConfig, NetworkConfig


def led_elsewhere(
    engine: Engine, container: Container, attached: AttachedTask, netns: str
) -> AttachedTask:
    """Return what a running container is on now, its next network leading out, if one can.

    It is attached to that anew, with the interface and the addresses that it had there: a backend
    is told of the way out by ``attach`` alone.
    """
    on = {one.network: one for one in attached.endpoints}
    for asked in container.endpoints:
        network = engine.metadata.networks.get(asked.network) if asked.network in on else None
        if network is not None and not network.internal:
            one = _attached_anew(engine, container, asked, network, on[network.id], netns)
            ends = tuple([one if e.network == network.id else e for e in attached.endpoints])
            return replace(attached, endpoints=ends, leads=network.id)
    return replace(attached, leads="")


def _attached_anew(
    engine: Engine,
    container: Container,
    asked: EndpointConfig,
    network: NetworkConfig,
    had: AttachedEndpoint,
    netns: str,
) -> AttachedEndpoint:
    backend = engine.network_named(network.driver)
    usual = endpoint_of(container, asked, network, had.attachment.interface, is_gateway=True)
    backend.detach(container.id, network.id)
    if ADDRESSES not in backend.capabilities:
        return replace(attach_one(engine, container, usual, netns), id=had.id)
    addresses = [address.partition("/")[0] for address in had.attachment.addresses]
    same = replace(
        usual,
        ipv4=next((one for one in addresses if ":" not in one), ""),
        ipv6=next((one for one in addresses if ":" in one), ""),
        mac=had.attachment.mac,
    )
    try:
        one = attach_one(engine, container, same, netns)
    except Conflict:  # somebody was given its address this moment
        one = attach_one(engine, container, usual, netns)
    return replace(one, id=had.id)
