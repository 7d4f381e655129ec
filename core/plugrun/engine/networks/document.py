"""What ``network inspect`` tells, in the shape of Docker's API (NetworkInspect, 1.41, measured)."""

from __future__ import annotations

from plugrun.engine.containers import is_running
from plugrun.engine.inspect.document import rfc3339
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.find import is_kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedEndpoint
    from plugrun.model.container import Container
    from plugrun.model.network import NetworkConfig, Subnet


def network_document(engine: Engine, network: NetworkConfig) -> dict[str, Any]:
    """Return a network, and the containers on it that run."""
    on_it = running_on(engine, network)
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created_ns),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": {} if is_kept(network.id) else None,
            "Config": [_subnet(subnet) for subnet in network.subnets],
        },
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {container.id: _container(container, one) for container, one in on_it},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def running_on(engine: Engine, network: NetworkConfig) -> list[tuple[Container, AttachedEndpoint]]:
    """Return the running containers on a network with what they got of it."""
    found = []
    for id in engine.metadata.networks.users(network.id):
        container = engine.metadata.container(id)
        attached = read_attached(engine, id) if is_running(engine, id) else None
        if container is not None and attached is not None:
            found += [(container, e) for e in attached.endpoints if e.network == network.id]
    return found


def _subnet(subnet: Subnet) -> dict[str, Any]:
    shown: dict[str, Any] = {"Subnet": subnet.cidr}
    if subnet.range:
        shown["IPRange"] = subnet.range
    if subnet.gateway:
        shown["Gateway"] = subnet.gateway
    if subnet.reserved:
        shown["AuxiliaryAddresses"] = dict(subnet.reserved)
    return shown


def _container(container: Container, one: AttachedEndpoint) -> dict[str, str]:
    addresses = one.attachment.addresses
    return {
        "Name": container.name,
        "EndpointID": one.id,
        "MacAddress": one.attachment.mac,
        "IPv4Address": next((address for address in addresses if ":" not in address), ""),
        "IPv6Address": next((address for address in addresses if ":" in address), ""),
    }
