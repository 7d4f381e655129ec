"""``NetworkSettings`` of a container's document, and the network's part of ``HostConfig``.

Keys, order and what is null, empty or left out are Docker's (daemon 20.10, measured; an endpoint's
keys are those of client 28).
"""

from __future__ import annotations

from plugrun.engine.networks.attach import endpoint_names
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.find import fixed_id
from plugrun.engine.networks.ports import exposed
from plugrun.linux.addresses import prefix_length
from plugrun.model.network import BRIDGE, HOST, NONE, OF_CONTAINER, Attachment, NetworkConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.networks.attached import AttachedEndpoint, AttachedTask
    from plugrun.model.container import Container
    from plugrun.model.network import EndpointConfig, Port


def network_settings(engine: Engine, container: Container, pid: int) -> dict[str, Any]:
    """Return ``NetworkSettings``; addresses are there while it runs, as ``pid``.

    ``SandboxKey`` is its network namespace as a path. Outside ``Networks`` only the default
    network's addresses are shown.
    """
    attached = read_attached(engine, container.id) if pid and container.endpoints else None
    found = {one.network: one for one in attached.endpoints} if attached else {}
    usual = next(
        (found[e.network] for e in container.endpoints if e.name == BRIDGE and e.network in found),
        None,
    )
    own = pid and container.network != HOST and not container.network.startswith(OF_CONTAINER)
    top = _addresses(usual)
    return {
        "Bridge": "",
        "SandboxID": attached.sandbox if attached else "",
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": ports(container, attached),
        "SandboxKey": f"/proc/{pid}/ns/net" if own else "",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": usual.id if usual else "",
        "Gateway": top["Gateway"],
        "GlobalIPv6Address": top["GlobalIPv6Address"],
        "GlobalIPv6PrefixLen": top["GlobalIPv6PrefixLen"],
        "IPAddress": top["IPAddress"],
        "IPPrefixLen": top["IPPrefixLen"],
        "IPv6Gateway": top["IPv6Gateway"],
        "MacAddress": usual.attachment.mac if usual else "",
        "Networks": _networks(engine, container, found, running=bool(pid)),
    }


def ports(container: Container, attached: AttachedTask | None) -> dict[str, Any]:
    """Return the published ports of a container that runs, and null for those only exposed."""
    if attached is None:
        return {}
    found: dict[str, Any] = {}
    for text in container.exposed_ports:
        for port, protocol in exposed(text):
            found[f"{port}/{protocol}"] = None
    for one in published_ports(attached):
        shown = {"HostIp": one.host_address, "HostPort": str(one.host_port)}
        key = f"{one.port}/{one.protocol}"
        found[key] = [*(found.get(key) or ()), shown]
    return {key: found[key] for key in sorted(found)}


def published_ports(attached: AttachedTask) -> list[Port]:
    """Return the ports of a running container that are to be had on the host."""
    return [port for endpoint in attached.endpoints for port in endpoint.attachment.ports]


def port_bindings(container: Container) -> dict[str, Any]:
    """Return ``PortBindings``: what ``-p`` asked for."""
    found: dict[str, Any] = {}
    for port in container.ports:
        end = port.host_port_end
        asked = f"{port.host_port}-{end}" if end else str(port.host_port or "")
        shown = {"HostIp": port.host_address, "HostPort": asked}
        found.setdefault(f"{port.port}/{port.protocol}", []).append(shown)
    return {key: found[key] for key in sorted(found)}


def host_links(engine: Engine, container: Container) -> list[str] | None:
    """Return ``Links`` of the default network: ``/db:/web/alias``."""
    found = [
        f"/{_name(engine, id)}:/{container.name}/{alias}"
        for one in container.endpoints
        if one.name == BRIDGE
        for alias, id in one.links
    ]
    return found or None


def _networks(
    engine: Engine, container: Container, found: dict[str, AttachedEndpoint], *, running: bool
) -> dict[str, Any]:
    if container.network in (NONE, HOST):
        fixed = {**_endpoint(None), "NetworkID": fixed_id(container.network) if running else ""}
        return {container.network: fixed}
    shown = {}
    for asked in container.endpoints:
        one = found.get(asked.network)
        network = NetworkConfig(asked.network, asked.name, asked.driver)
        links = [f"{_name(engine, id)}:{alias}" for alias, id in asked.links]
        shown[asked.name] = {
            **_endpoint(one),
            "IPAMConfig": _asked_addresses(asked),
            "Links": (links or None) if asked.name != BRIDGE else None,
            "Aliases": list(asked.aliases) or None,
            "MacAddress": one.attachment.mac if one else asked.mac,
            "NetworkID": asked.network,
            "DNSNames": list(endpoint_names(container, asked, network)) or None,
        }
    return dict(sorted(shown.items()))


def _endpoint(one: AttachedEndpoint | None) -> dict[str, Any]:
    addresses = _addresses(one)
    return {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": "",
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": "",
        "EndpointID": one.id if one else "",
        "Gateway": addresses["Gateway"],
        "IPAddress": addresses["IPAddress"],
        "IPPrefixLen": addresses["IPPrefixLen"],
        "IPv6Gateway": addresses["IPv6Gateway"],
        "GlobalIPv6Address": addresses["GlobalIPv6Address"],
        "GlobalIPv6PrefixLen": addresses["GlobalIPv6PrefixLen"],
        "DNSNames": None,
    }


def _addresses(one: AttachedEndpoint | None) -> dict[str, Any]:
    got = one.attachment if one else Attachment()
    four = next((address for address in got.addresses if ":" not in address), "")
    six = next((address for address in got.addresses if ":" in address), "")
    return {
        "Gateway": next((way for way in got.gateways if ":" not in way), ""),
        "IPAddress": four.partition("/")[0],
        "IPPrefixLen": prefix_length(four),
        "IPv6Gateway": next((way for way in got.gateways if ":" in way), ""),
        "GlobalIPv6Address": six.partition("/")[0],
        "GlobalIPv6PrefixLen": prefix_length(six),
    }


def _asked_addresses(asked: EndpointConfig) -> dict[str, str] | None:
    given = {"IPv4Address": asked.ipv4, "IPv6Address": asked.ipv6}
    return {key: value for key, value in given.items() if value} or None


def _name(engine: Engine, id: str) -> str:
    found = engine.metadata.container(id)
    return found.name if found else id[:12]
