"""Which networks a new container is to be on. What is refused is refused in Docker's words."""

from __future__ import annotations

from plugrun.engine.create import Joined
from plugrun.engine.networks.checks import check_endpoint, check_shared
from plugrun.engine.networks.find import find_network
from plugrun.errors import Conflict, InvalidArgument, NoSuchContainer
from plugrun.interfaces.network import PORTS
from plugrun.model.container import BackendChoice
from plugrun.model.network import DEFAULT, HOST, NONE, OF_CONTAINER, EndpointConfig
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import RunRequest
    from plugrun.model.container import Container
    from plugrun.model.network import NetworkConfig


def decide_networks(engine: Engine, request: RunRequest) -> Joined:
    """Return the networks of a new container; raise NoSuchNetwork, Conflict, InvalidArgument."""
    mode = request.network or DEFAULT
    if mode.startswith(OF_CONTAINER):
        return _shared(engine, request, mode)
    asked = [replace(one, name=one.name or mode) for one in request.networks]
    asked = asked or [EndpointConfig(mode)]
    if mode in (NONE, HOST):
        if mode == HOST and any(one.links for one in asked):
            raise InvalidArgument(
                "conflicting options: host type networking can't be used with links. This would "
                "result in undefined behavior"
            )
        for one in asked:
            check_endpoint(one, find_network(engine, one.name))
        return Joined(mode, (), BackendChoice("", "", f"--network {mode} needs no backend"))
    pairs = [(one, find_network(engine, one.name)) for one in asked]
    _check_together([network for _, network in pairs])
    endpoints = tuple([decided_endpoint(engine, one, network) for one, network in pairs])
    if request.ports or request.publish_all:
        check_ports(engine, pairs[0][1])
    mode = mode if mode == DEFAULT else pairs[0][1].name
    return Joined(mode, endpoints, _choice(engine, endpoints[0].driver))


def decided_endpoint(
    engine: Engine, asked: EndpointConfig, network: NetworkConfig
) -> EndpointConfig:
    """Return what is asked of a network, complete; links name containers by their IDs."""
    check_endpoint(asked, network)
    links = tuple([(alias, _linked(engine, text).id) for alias, text in asked.links])
    return replace(asked, name=network.name, network=network.id, driver=network.driver, links=links)


def joined_container(engine: Engine, mode: str) -> Container:
    """Return the container that ``container:NAME`` names."""
    from plugrun.engine.containers import find_container

    name = mode.removeprefix(OF_CONTAINER)
    if not name:
        raise InvalidArgument("Invalid network mode: invalid container format container:<name|id>")
    return find_container(engine, name)


def _shared(engine: Engine, request: RunRequest, mode: str) -> Joined:
    if mode == OF_CONTAINER:
        joined_container(engine, mode)
    check_shared(request)
    other = joined_container(engine, mode)
    choice = BackendChoice("", "", "the network is another container's")
    return Joined(OF_CONTAINER + other.id, (), choice)


def _linked(engine: Engine, text: str) -> Container:
    from plugrun.engine.containers import find_container

    try:
        return find_container(engine, text)
    except NoSuchContainer as error:
        raise InvalidArgument(f"could not get container for {text}: {error.message}") from None


def _check_together(networks: list[NetworkConfig]) -> None:
    seen = set()
    for network in networks:
        if network.name in (NONE, HOST):
            what = (
                "container cannot be connected to multiple networks with one of the networks in "
                "private (none) mode"
            )
            if network.name == HOST:
                what = (
                    "container cannot be disconnected from host network or connected to host "
                    "network"
                )
            raise Conflict(what)
        if network.id in seen:
            raise InvalidArgument(f'network "{network.name}" is specified multiple times')
        seen.add(network.id)


def check_ports(engine: Engine, network: NetworkConfig) -> None:
    """Refuse to publish ports on a network whose backend cannot."""
    if PORTS not in engine.network_named(network.driver).capabilities:
        raise InvalidArgument(
            f"the network backend {network.driver} publishes no ports",
            hint=f"choose another network than {network.name}, or --network host",
        )


def _choice(engine: Engine, driver: str) -> BackendChoice:
    choice = engine.network_choice()
    if choice.name == driver:
        return choice
    return engine.backends.chosen("network", driver, "the network's own")
