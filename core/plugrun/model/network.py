"""Networks as data: what they are, what a container asks of one, and what it got."""

from __future__ import annotations

from plugrun.model.record import as_json, from_json, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

# The names that are nobody's to give: the network of who names none, no network, the host's.
BRIDGE = "bridge"
NONE = "none"
HOST = "host"
# What `--network` says for the same as saying nothing.
DEFAULT = "default"
# Leads `container:NAME`, which is the network of another container.
OF_CONTAINER = "container:"


@record
class Subnet:
    """Addresses of a network: ``cidr`` and the ``gateway`` in it.

    Containers get theirs from ``range``, which lies in ``cidr`` too; empty for all of it.
    ``reserved`` are pairs of a name and an address that no container gets (``--aux-address``).
    """

    cidr: str
    gateway: str = ""
    range: str = ""
    reserved: tuple[tuple[str, str], ...] = ()


@record
class NetworkConfig:
    """A network, decided when it is created. ``driver`` names the backend that serves it.

    ``internal`` networks reach no other. ``ipv6`` asks for addresses of that kind as well.
    ``options`` are the driver's own (``--opt``).
    """

    id: str
    name: str
    driver: str
    created_ns: int = 0
    subnets: tuple[Subnet, ...] = ()
    internal: bool = False
    ipv6: bool = False
    options: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    NESTED: ClassVar = {"subnets": Subnet}


@record
class Port:
    """A port of a container, and where on the host it is to be had.

    ``host_port`` 0 asks for any that is free, out of ``host_port`` to ``host_port_end`` where that
    is given. An empty ``host_address`` is every address. ``protocol`` is tcp, udp or sctp.
    """

    port: int
    protocol: str = "tcp"
    host_address: str = ""
    host_port: int = 0
    host_port_end: int = 0


@record
class Endpoint:
    """What one container asks of one network.

    ``interface`` is what it is to be called inside. ``gateway`` says that the container's way to
    everywhere else leads through this network. Addresses are the network's to choose where they
    are empty. ``names`` are what others on the network call the container (its name, aliases, short
    ID), ``links`` pairs of a name that only this container uses and the ID of who is meant.
    ``resolvers`` are who knows all other names: addresses of DNS servers, which the backend
    asks if it has a DNS server of its own.
    """

    container_id: str
    network: NetworkConfig
    interface: str = "eth0"
    gateway: bool = True
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    ports: tuple[Port, ...] = ()
    names: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    resolvers: tuple[str, ...] = ()
    NESTED: ClassVar = {"network": NetworkConfig, "ports": Port}


@record
class Attachment:
    """What a container got of a network.

    ``addresses`` are in CIDR form, empty for loopback only; ``gateways`` one of each kind at most.
    ``ports`` are those asked for with ``host_port`` and ``host_address`` filled in: one on every
    address is there as ``0.0.0.0`` and, where IPv6 is served, as ``::`` too. ``resolvers`` are the
    DNS servers that know this network's names, empty if there is none. ``held`` are descriptors
    that reserve what the container has (its ports, say): whoever attached keeps them open until
    the container has ended, through execve(2) if need be. ``warnings`` are for the user: what on
    the host had to be mended.
    """

    interface: str = ""
    mac: str = ""
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    resolvers: tuple[str, ...] = ()
    held: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    NESTED: ClassVar = {"ports": Port}


@record
class EndpointConfig:
    """What was asked of one network for a container, as it is kept; Docker's EndpointSettings.

    ``network`` is the network's ID, ``name`` and ``driver`` are as they were when the container
    was put on it. ``links`` are pairs of a name and a container's ID.
    """

    name: str
    network: str = ""
    driver: str = ""
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def network_to_json(network: NetworkConfig) -> dict[str, Any]:
    """Return a network as plain JSON."""
    found: dict[str, Any] = as_json(network)
    return found


def network_from_json(data: dict[str, Any]) -> NetworkConfig:
    """Return the network that ``network_to_json`` wrote; unknown keys are left out."""
    return from_json(NetworkConfig, data)
