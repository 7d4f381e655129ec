"""What does not fit together about a container's networks. The words are Docker's."""

from __future__ import annotations

from plugrun.engine.etcfiles import check_printable
from plugrun.errors import InvalidArgument
from plugrun.linux.addresses import contains, version
from plugrun.model.network import BRIDGE, HOST, NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.request import RunRequest
    from plugrun.model.network import EndpointConfig, NetworkConfig

_PREDEFINED = (BRIDGE, HOST, NONE)


def check_shared(request: RunRequest) -> None:
    """Refuse what a container cannot have that is on another one's network."""
    asked = request.networks[0] if request.networks else None
    wrong = {
        "hostname and the network mode": request.hostname,
        "container type network can't be used with links. This would result in undefined "
        "behavior": asked is not None and asked.links,
        "dns and the network mode": request.dns,
        "custom host-to-IP mapping and the network mode": request.extra_hosts,
        "mac-address and the network mode": asked is not None and asked.mac,
        "port publishing and the container type network mode": request.ports or request.publish_all,
        "port exposing and the container type network mode": request.exposed_ports,
    }
    for what, given in wrong.items():
        if given:
            raise InvalidArgument(f"conflicting options: {what}")
    if asked is not None and (asked.ipv4 or asked.ipv6):
        raise InvalidArgument(
            "user specified IP address is supported on user defined networks only"
        )
    if len(request.networks) > 1:
        raise InvalidArgument(
            "container sharing network namespace with another container or host cannot be "
            "connected to any other network"
        )


def check_endpoint(asked: EndpointConfig, network: NetworkConfig) -> None:
    """Refuse what a network cannot give, and names that would break the lines they come to."""
    for name in (*asked.aliases, *(alias for alias, _ in asked.links)):
        check_printable("name on a network", name)
    for given, kind, number in ((asked.ipv4, "IPv4", 4), (asked.ipv6, "IPv6", 6)):
        if given and version(given) != number:
            raise InvalidArgument(f"invalid {kind} address: {given}")
    if network.name in _PREDEFINED:
        if asked.ipv4 or asked.ipv6:
            raise InvalidArgument(
                "user specified IP address is supported on user defined networks only"
            )
        if asked.aliases:
            raise InvalidArgument(
                "network-scoped alias is supported only for containers in user defined networks"
            )
        return
    for given in (asked.ipv4, asked.ipv6):
        if given:
            _check_address(given, network)


def _check_address(address: str, network: NetworkConfig) -> None:
    cidrs = [subnet.cidr for subnet in network.subnets]
    kind = [cidr for cidr in cidrs if version(cidr.partition("/")[0]) == version(address)]
    if not kind:
        raise InvalidArgument(
            "user specified IP address is supported only when connecting to networks with user "
            "configured subnets"
        )
    if not any(contains(cidr, address) for cidr in kind):
        raise InvalidArgument(
            f"Invalid address {address}: It does not belong to any of this network's subnets"
        )
