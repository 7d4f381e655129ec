"""One attachment: a lease, then what it names, in this order; a failure undoes all of it."""

from __future__ import annotations

import errno
import os

from plugrun.api import Attachment, Conflict, InvalidArgument, NoAddress, PlugrunError, replace

from plugrun_network_bridge import hostbridge
from plugrun_network_bridge.addresses import mac_of, packed_mac, parse_address
from plugrun_network_bridge.choosing import choose
from plugrun_network_bridge.detaching import detach
from plugrun_network_bridge.host import isolated
from plugrun_network_bridge.inside import configure
from plugrun_network_bridge.leases import Lease
from plugrun_network_bridge.links import await_carrier, bridge_port, namespace_number, new_veth
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Endpoint, NetworkConfig, Subnet

    from plugrun_network_bridge.host import Host
    from plugrun_network_bridge.leases import Leases
    from plugrun_network_bridge.links import Link

_RESOLVER = "127.0.0.11"
_BINDING = "com.docker.network.bridge.host_binding_ipv4"


def attach(leases: Leases, host: Host, endpoint: Endpoint, netns: str) -> Attachment:
    """Connect a container's network namespace; see ``plugrun.interfaces.network``."""
    namespace = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink(NETLINK_ROUTE) as route:
            number = namespace_number(route, namespace)
        lease = _asked(endpoint, netns, os.fstat(namespace).st_ino, number)
        return _attach(leases, host, endpoint, lease, namespace)
    finally:
        os.close(namespace)


def _attach(
    leases: Leases, host: Host, endpoint: Endpoint, lease: Lease, namespace: int
) -> Attachment:
    network = endpoint.network
    held: tuple[int, ...] = ()
    with leases.locked():
        _drop_older(leases, host, lease)
        bridge, warnings = _ready(leases, host, network)
        lease = _with_addresses(leases, endpoint, lease)
        lease, held = _with_ports(leases, endpoint, lease)
        try:
            leases.write(lease)
            host.publish(lease)
        except BaseException:
            _undo(leases, host, lease, held)
            raise
    try:
        _connect(endpoint, lease, bridge, namespace)
        if lease.names:
            warnings += _introduce(leases, lease)
    except BaseException:
        with leases.locked():
            _undo(leases, host, lease, held)
        raise
    return replace(_attachment(endpoint, lease), held=held, warnings=warnings)


def _ready(leases: Leases, host: Host, network: NetworkConfig) -> tuple[Link, tuple[str, ...]]:
    changed = leases.keep_network(network)
    try:
        if changed and not leases.has_holders(network.id):
            host.remove(network)  # one with other subnets, whose maker was killed
        return host.ensure(network)
    except BaseException:
        # What is kept is in the rules; its bridge's name may be another interface's by now.
        if not leases.has_holders(network.id):
            leases.forget_network(network.id)
        raise


def _undo(leases: Leases, host: Host, lease: Lease, held: tuple[int, ...]) -> None:
    for fd in held:
        os.close(fd)
    detach(leases, host, lease)


def _introduce(leases: Leases, lease: Lease) -> tuple[str, ...]:
    from plugrun_network_bridge.naming import introduce

    with leases.locked():
        others = any(one.names and one.container_id != lease.container_id for one in leases.all())
        if introduce(leases.state, lease) and others:
            return ("the DNS server for containers was gone: started it again",)
    return ()


def _drop_older(leases: Leases, host: Host, lease: Lease) -> None:
    """Let go of what the container had when it ran before, if nobody did when it ended."""
    older = leases.find(lease.container_id, lease.network_id)
    if older is None:
        return
    if older.inode == lease.inode:
        raise Conflict(f"container {lease.container_id[:12]} is attached to the network already")
    detach(leases, host, older)


def _asked(endpoint: Endpoint, netns: str, inode: int, nsid: int) -> Lease:
    if endpoint.mac:
        packed_mac(endpoint.mac)
    return Lease(
        endpoint.container_id,
        endpoint.network.id,
        mac=endpoint.mac.lower().replace("-", ":"),
        # Docker's form. The kernel may still have the one of the container's last run.
        veth=f"veth{os.urandom(4).hex()[:7]}",
        netns=netns,
        inode=inode,
        nsid=nsid,
        names=endpoint.names,
        links=endpoint.links,
        resolvers=endpoint.resolvers,
    )


def _with_addresses(leases: Leases, endpoint: Endpoint, lease: Lease) -> Lease:
    network, taken = endpoint.network, leases.taken(endpoint.network.id)
    found = {}
    for subnet in network.subnets:
        v6 = ":" in subnet.cidr
        asked = endpoint.ipv6 if v6 else endpoint.ipv4
        found[v6] = choose(network, subnet, asked, taken)
    for v6, asked in ((False, endpoint.ipv4), (True, endpoint.ipv6)):
        if asked and v6 not in found:
            kind = "IPv6" if v6 else "IPv4"
            raise InvalidArgument(
                f"Invalid address {asked}: It does not belong to any of this network's subnets",
                hint=f'network "{network.name}" has no {kind} subnet',
            )
    ipv4, ipv6 = found.get(False, ""), found.get(True, "")
    mac = lease.mac or mac_of(parse_address(ipv4) if ipv4 else parse_address(ipv6) & 0xFFFFFFFF)
    return replace(lease, ipv4=ipv4, ipv6=ipv6, mac=mac)


def _with_ports(leases: Leases, endpoint: Endpoint, lease: Lease) -> tuple[Lease, tuple[int, ...]]:
    network = endpoint.network
    if not endpoint.ports or network.internal:
        return lease, ()
    from plugrun.api import hostports

    usual = hostbridge.option(network, _BINDING)
    had = [port for one in leases.all() for port in one.ports]
    try:
        reserved = hostports.reserve(endpoint.ports, usual, v6=bool(lease.ipv6))
    except Conflict:
        asked = [replace(port, host_address=port.host_address or usual) for port in endpoint.ports]
        taken = hostports.find_taken(asked, had)
        if taken is None:
            raise
        raise hostports.allocated(*taken) from None
    lease = replace(lease, ports=reserved.ports)
    # One whose socket went with a monitor that was killed is had nevertheless. This must be known
    # before there is a lease, whose end would take it from whoever has it.
    taken = hostports.find_taken(reserved.ports, had)
    if taken is not None:
        reserved.give_back()
        raise hostports.allocated(*taken)
    return lease, reserved.sockets


def _connect(endpoint: Endpoint, lease: Lease, bridge: Link, namespace: int) -> None:
    network = endpoint.network
    mac, size = packed_mac(lease.mac), hostbridge.mtu(network)
    pair = new_veth(lease.veth, bridge.index, namespace, endpoint.interface, mac, size)
    # Where br_netfilter is on, a container's own published port leads straight back.
    hairpin, alone = bool(lease.ports), isolated(network)
    port = (bridge_port(lease.veth, hairpin=hairpin, isolated=alone),) * (hairpin or alone)
    gateways = _gateways(network) if endpoint.gateway else ()
    try:
        with Netlink(NETLINK_ROUTE) as route:
            route.act(pair, *port)
            configure(namespace, endpoint.interface, _cidrs(network, lease), gateways)
            await_carrier(route, lease.veth)
            if not bridge.carrier:  # it had no port until now
                await_carrier(route, bridge.name)
    except OSError as error:
        raise _refused(error, endpoint) from None


def _refused(error: OSError, endpoint: Endpoint) -> PlugrunError:
    name, network = endpoint.interface, endpoint.network.name
    if error.errno == errno.EEXIST:
        return Conflict(f"the container has an interface {name} already")
    if error.errno == errno.EXFULL:
        return NoAddress(
            f'network "{network}" has no free port: its bridge joins 1023 containers at most',
            hint="create another network",
        )
    return PlugrunError(f'{name} on network "{network}" cannot be made: {error.strerror}')


def _subnet_of(network: NetworkConfig, address: str) -> Subnet:
    v6 = ":" in address
    [found] = [subnet for subnet in network.subnets if (":" in subnet.cidr) == v6]
    return found


def _cidrs(network: NetworkConfig, lease: Lease) -> tuple[str, ...]:
    return tuple([hostbridge.cidr(one, _subnet_of(network, one)) for one in lease.addresses])


def _gateways(network: NetworkConfig) -> tuple[str, ...]:
    if network.internal:
        return ()
    return tuple([subnet.gateway for subnet in network.subnets if subnet.gateway])


def _attachment(endpoint: Endpoint, lease: Lease) -> Attachment:
    network = endpoint.network
    return Attachment(
        interface=endpoint.interface,
        mac=lease.mac,
        addresses=_cidrs(network, lease),
        gateways=_gateways(network),
        ports=lease.ports,
        resolvers=(_RESOLVER,) if lease.names else (),
    )
