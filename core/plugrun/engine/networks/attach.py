"""Put a container that has just been made on its networks, before its command is executed."""

from __future__ import annotations

import os

from plugrun.engine.networks.attached import (
    AttachedEndpoint,
    AttachedTask,
    joined_drivers,
    write_attached,
)
from plugrun.engine.networks.etcfiles import own_resolvers, write_names
from plugrun.engine.networks.find import is_kept, sole_network
from plugrun.engine.networks.ports import published
from plugrun.errors import Conflict, NoAddress
from plugrun.model.network import BRIDGE, Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.network import EndpointConfig, NetworkConfig, Port


def claim_networks(engine: Engine, container: Container) -> tuple[NetworkConfig, ...]:
    """Return a container's networks; NoSuchNetwork, in Docker's words, if one was removed.

    From then on none is removed, for the container's task file is there already.
    """
    wanted = [one.network for one in container.endpoints if is_kept(one.network)]
    kept = {one.id: one for one in engine.metadata.networks.claim(wanted)} if wanted else {}
    return tuple([kept.get(one.network) or sole_network(one.driver) for one in container.endpoints])


def attach(
    engine: Engine, container: Container, pid: int, networks: Iterable[NetworkConfig]
) -> AttachedTask:
    """Attach a container's process to its networks, and write its hosts and resolv.conf.

    When this fails, ``detach_all`` undoes what was done.
    """
    pairs = list(zip(container.endpoints, networks, strict=True))
    leader = gateway_network([network for _, network in pairs])
    done: list[AttachedEndpoint] = []
    for place, (asked, network) in enumerate(pairs):
        is_gateway = network.id == leader
        ports = published(container) if is_gateway else ()
        endpoint = endpoint_of(container, asked, network, f"eth{place}", is_gateway, ports)
        done.append(attach_one(engine, container, endpoint, f"/proc/{pid}/ns/net"))
    attached = AttachedTask(os.urandom(32).hex(), tuple(done), leads=leader)
    attached = write_names(engine, container, attached)
    write_attached(engine, container.id, attached)
    for one in done:
        tell(engine, "connect", container, one)
    return attached


def attach_one(
    engine: Engine, container: Container, endpoint: Endpoint, netns: str
) -> AttachedEndpoint:
    """Attach to one network; a port or address that is taken is Conflict, in Docker's words."""
    network, id = endpoint.network, os.urandom(32).hex()
    try:
        attachment = engine.network_named(network.driver).attach(endpoint, netns)
    except NoAddress:
        raise
    except Conflict as error:
        if not error.message.startswith(("Bind for ", "listen ")):
            raise
        raise Conflict(
            "driver failed programming external connectivity on endpoint "
            f"{container.name} ({id}): {error.message}",
            hint=error.hint,
        ) from error
    return AttachedEndpoint(network.id, network.name, network.driver, id, attachment)


def endpoint_of(
    container: Container,
    asked: EndpointConfig,
    network: NetworkConfig,
    interface: str,
    is_gateway: bool,
    ports: tuple[Port, ...] = (),
) -> Endpoint:
    """Return what a backend is to make for one network of a container.

    On the default network nobody has a name, as in Docker.
    """
    names = endpoint_names(container, asked, network)
    return Endpoint(
        container.id,
        network,
        interface=interface,
        gateway=is_gateway,
        ipv4=asked.ipv4,
        ipv6=asked.ipv6,
        mac=asked.mac,
        ports=ports,
        names=names,
        links=asked.links if names else (),
        resolvers=own_resolvers(container) if names else (),
    )


def endpoint_names(
    container: Container, asked: EndpointConfig, network: NetworkConfig
) -> tuple[str, ...]:
    """Return what others on a network call a container."""
    if network.name == BRIDGE:
        return ()
    own = () if container.hostname == container.short_id else (container.hostname,)
    names = (container.name, *asked.aliases, container.short_id, *own)
    return tuple([name for name in dict.fromkeys(names) if name])


def gateway_network(networks: list[NetworkConfig]) -> str:
    """Return the ID of the network that leads everywhere else: the first that is not internal."""
    return next((one.id for one in networks if not one.internal), "")


def detach_all(engine: Engine, container: Container) -> None:
    """Undo ``attach``; it can be repeated, and does what an attachment that was killed left."""
    own = tuple([one.driver for one in container.endpoints])
    for driver in dict.fromkeys((*own, *joined_drivers(engine, container.id))):
        engine.network_named(driver).detach(container.id)


def tell(engine: Engine, action: str, container: Container, one: AttachedEndpoint) -> None:
    """Tell observers that a container came to a network, or left it."""
    if is_kept(one.network):
        attributes = {"container": container.id, "name": one.name, "type": one.driver}
        engine.emit("network", action, one.network, attributes)
