"""What a state folder has on the host: bridges, and one table. Made when missing, whole.

Callers hold the lock of the leases.
"""

from __future__ import annotations

import errno
import os
from binascii import crc32

from plugrun.api import BackendUnavailable

from plugrun_network_bridge import hostbridge, otherfirewalls, ruleset
from plugrun_network_bridge.addresses import parse_block
from plugrun_network_bridge.links import delete_link, link_up
from plugrun_network_bridge.netlink import NETLINK_NETFILTER, NETLINK_ROUTE, Netlink
from plugrun_network_bridge.nftables import BEGIN, END, add_table, delete_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.api import NetworkConfig

    from plugrun_network_bridge.leases import Lease, Leases
    from plugrun_network_bridge.links import Link

_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
_ICC = "com.docker.network.bridge.enable_icc"
_NO_TABLES = (errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL, errno.ENOENT)

MARK, LONGEST_ALIAS = "plugrun", 255  # IFALIASZ, without the NUL


class Host:
    """The host's side of all networks of one state folder."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        # Names that no other state folder uses.
        self.owner = f"{crc32(os.fsencode(leases.state)):08x}"
        self.table = table_name(self.owner)

    def alias(self, network_id: str) -> str:
        """Return what ``ip link`` shows of whose a bridge is, and where its state lies."""
        return f"{MARK} {self.owner} {network_id[:12]} {self._leases.state}"[:LONGEST_ALIAS]

    def ensure(self, network: NetworkConfig) -> tuple[Link, tuple[str, ...]]:
        """Return a network's bridge, and what had to be mended, though somebody is attached."""
        link, said = self.ensure_bridge(network)
        hostbridge.forward(network)
        known = self._leases.has_holders(network.id)
        if self._ensure_rules(link.name) and known:
            said = f"rules of the table inet {self.table} were gone: made it again"
        if not said or not known:
            return link, ()
        return link, (f'network "{network.name}": {said}',)

    def ensure_bridge(self, network: NetworkConfig) -> tuple[Link, str]:
        """Return a network's bridge, and what had to be done to it."""
        with Netlink(NETLINK_ROUTE) as route:
            link = hostbridge.find_bridge(route, network, self.alias(network.id))
            if link is None:
                ports = [lease.veth for lease in self._leases.of_network(network.id)]
                link = hostbridge.make_bridge(route, network, self.alias(network.id), ports)
                return link, f"the bridge {link.name} was gone: made it again"
            if not link.up:
                route.act(link_up(link.name))
                return link, f"the bridge {link.name} was down: switched it on"
        return link, ""

    def _ensure_rules(self, bridge: str) -> bool:
        with _netfilter() as netlink:
            otherfirewalls.let_through(netlink, bridge, self.owner)
            if ruleset.is_whole(netlink, self.table, bridge):
                return False
            self._make_table(netlink)
        return True

    def _make_table(self, netlink: Netlink) -> None:
        fenced = [_fenced(network) for network in self._leases.networks()]
        ports = [one for lease in self._leases.all() for one in published(lease)]
        try:
            netlink.batch(ruleset.table(self.table, fenced, ports), BEGIN, END)
        except OSError as error:
            raise _no_rules(error) from None

    def publish(self, lease: Lease) -> None:
        """Lead a container's ports to it."""
        messages = ruleset.add_ports(self.table, published(lease), exclusive=True)
        if messages:
            with _netfilter() as netlink:
                netlink.batch(messages, BEGIN, END)

    def conceal(self, lease: Lease) -> None:
        """Lead a container's ports there no more."""
        messages = [ruleset.delete_port(self.table, one) for one in published(lease)]
        if not messages:
            return
        with _netfilter() as netlink:
            if not _was_there(netlink, messages):
                for one in messages:
                    _was_there(netlink, (one,))

    def remove(self, network: NetworkConfig) -> None:
        """Remove a network's bridge, and its part of the table; it is forgotten already."""
        with Netlink(NETLINK_ROUTE) as route:
            link = hostbridge.find_bridge(route, network, self.alias(network.id))
            if link is not None:
                route.act(delete_link(link.name))
        with _netfilter() as netlink:
            otherfirewalls.withdraw(netlink, hostbridge.bridge_name(network), self.owner)
        self.renew()

    def renew(self) -> None:
        """Make the table say what the leases say; without any network there is none."""
        with _netfilter() as netlink:
            if self._leases.networks():
                self._make_table(netlink)
            else:
                # Making it first spares the question whether it is there.
                netlink.batch((add_table(self.table), delete_table(self.table)), BEGIN, END)


def table_name(owner: str) -> str:
    """Return what the table of a state folder is called."""
    return f"{MARK}-{owner}"


def published(lease: Lease) -> list[ruleset.Published]:
    """Return a lease's ports, each with the address of its kind."""
    return [
        ruleset.Published(port, lease.ipv6 if ":" in port.host_address else lease.ipv4)
        for port in lease.ports
    ]


def isolated(network: NetworkConfig) -> bool:
    """Whether the network's containers are kept from each other, too."""
    return hostbridge.option(network, _ICC, "true") == "false"


def _fenced(network: NetworkConfig) -> ruleset.Fenced:
    out = not network.internal and hostbridge.option(network, _MASQUERADE, "true") != "false"
    blocks = [parse_block(subnet.cidr) for subnet in network.subnets] if out else []
    return ruleset.Fenced(hostbridge.bridge_name(network), network.internal, tuple(blocks))


def _was_there(netlink: Netlink, messages: Sequence[bytes]) -> bool:
    """Have things removed, all or none; say whether all were there."""
    try:
        netlink.batch(messages, BEGIN, END)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def _netfilter() -> Netlink:
    try:
        return Netlink(NETLINK_NETFILTER)
    except OSError as error:
        raise _no_rules(error) from None


def _no_rules(error: OSError) -> BackendUnavailable:
    if error.errno in (errno.EPERM, errno.EACCES):
        return BackendUnavailable("this process may not change packet filters", hint="be root")
    if error.errno in _NO_TABLES:
        hint = "modprobe nf_tables nft_chain_nat nft_masq nft_fib_inet nft_ct"
        return BackendUnavailable(f"nf_tables does not work here: {error.strerror}", hint=hint)
    return BackendUnavailable(f"the rules cannot be made: {error.strerror}")
