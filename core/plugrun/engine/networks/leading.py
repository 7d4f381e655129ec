"""Let another network lead out when a container is taken off the one that did."""

from __future__ import annotations

from plugrun.engine.networks.attach import attach_one, endpoint_of
from plugrun.engine.networks.ports import published
from plugrun.errors import Conflict
from plugrun.interfaces.network import ADDRESSES, PORTS
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedEndpoint, AttachedTask
    from plugrun.model.container import Container
    from plugrun.model.network import Endpoint, EndpointConfig, NetworkConfig


def led_elsewhere(
    engine: Engine, container: Container, attached: AttachedTask, netns: str
) -> tuple[AttachedTask, AttachedEndpoint | None]:
    """Return what a running container is on now, and its next network that leads out, if any.

    It is attached to that anew, with the interface and the addresses that it had there: a backend
    is told of the way out, and of the ports to publish, by ``attach`` alone.
    """
    on = {one.network: one for one in attached.endpoints}
    for asked in container.endpoints:
        network = engine.metadata.networks.get(asked.network) if asked.network in on else None
        if network is not None and not network.internal:
            one = _attached_anew(engine, container, asked, network, on[network.id], netns)
            ends = tuple([one if e.network == network.id else e for e in attached.endpoints])
            return replace(attached, endpoints=ends, leads=network.id), one
    return replace(attached, leads=""), None


def _attached_anew(
    engine: Engine,
    container: Container,
    asked: EndpointConfig,
    network: NetworkConfig,
    had: AttachedEndpoint,
    netns: str,
) -> AttachedEndpoint:
    backend = engine.network_named(network.driver)
    able = PORTS in backend.capabilities
    ports = published(container) if able else ()
    usual = endpoint_of(container, asked, network, had.attachment.interface, True, ports)
    wanted = _as_it_was(usual, had) if ADDRESSES in backend.capabilities else usual
    backend.detach(container.id, network.id)
    one = _attached_somehow(engine, container, wanted, usual, netns)
    if able or not published(container):
        return replace(one, id=had.id)
    text = f"its ports are not published: {network.driver} publishes none"
    return replace(_warned(one, container, text), id=had.id)


def _as_it_was(usual: Endpoint, had: AttachedEndpoint) -> Endpoint:
    addresses = [address.partition("/")[0] for address in had.attachment.addresses]
    return replace(
        usual,
        ipv4=next((one for one in addresses if ":" not in one), ""),
        ipv6=next((one for one in addresses if ":" in one), ""),
        mac=had.attachment.mac,
    )


def _attached_somehow(
    engine: Engine, container: Container, wanted: Endpoint, usual: Endpoint, netns: str
) -> AttachedEndpoint:
    """Attach, though somebody may have been given the address, or a port, this moment."""
    for endpoint in (wanted, usual):
        try:
            return attach_one(engine, container, endpoint, netns)
        except Conflict as error:
            taken = error
    try:
        one = attach_one(engine, container, replace(wanted, ports=()), netns)
    except Conflict:
        one = attach_one(engine, container, replace(usual, ports=()), netns)
    return _warned(one, container, f"its ports are not published: {taken.message}")


def _warned(one: AttachedEndpoint, container: Container, text: str) -> AttachedEndpoint:
    warnings = (*one.attachment.warnings, f"container {container.name}: {text}")
    return replace(one, attachment=replace(one.attachment, warnings=warnings))
