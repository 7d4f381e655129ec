"""What a state folder has on the host: bridges, and rules. Made when missing, whole.

Callers hold the lock of the leases.
"""

from __future__ import annotations

import os
from binascii import crc32

from plugrun.api import Conflict

from plugrun_network_bridge import hostbridge
from plugrun_network_bridge.links import delete_link, link_up
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink
from plugrun_network_bridge.nftrules import NftRules, NoTables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import NetworkConfig

    from plugrun_network_bridge.iptrules import IptablesRules
    from plugrun_network_bridge.leases import Lease, Leases
    from plugrun_network_bridge.links import Link

    Rules = NftRules | IptablesRules

_ICC = "com.docker.network.bridge.enable_icc"
_BY_IPTABLES = "firewall"  # in the state folder; see there

MARK, LONGEST_ALIAS = "plugrun", 255  # IFALIASZ, without the NUL


class Host:
    """The host's side of all networks of one state folder.

    ``firewall`` is what is to make the rules; empty for what works.
    """

    def __init__(self, leases: Leases, firewall: str = "") -> None:
        self._leases = leases
        self._firewall = firewall
        # Names that no other state folder uses.
        self.owner = f"{crc32(os.fsencode(leases.state)):08x}"

    def alias(self, network_id: str) -> str:
        """Return what ``ip link`` shows of whose a bridge is, and where its state lies."""
        return f"{MARK} {self.owner} {network_id[:12]} {self._leases.state}"[:LONGEST_ALIAS]

    def ensure(self, network: NetworkConfig) -> tuple[Link, tuple[str, ...]]:
        """Return a network's bridge, and what is to be said: what was mended for who is on it."""
        link, said = self.ensure_bridge(network)
        off = [f"{switch} was off: switched it on" for switch in hostbridge.forward(network)]
        noted, again = self._ensure_rules(link.name)
        mended = [text for text in (said, *off, again) if text]
        if mended and not self._leases.has_holders(network.id):
            return link, noted
        return link, (*noted, *[f'network "{network.name}": {text}' for text in mended])

    def ensure_bridge(self, network: NetworkConfig) -> tuple[Link, str]:
        """Return a network's bridge, and what had to be done to it."""
        with Netlink(NETLINK_ROUTE) as route:
            link = hostbridge.find_bridge(route, network, self.alias(network.id))
            if link is None:
                _check_subnets(route, network)
                ports = [lease.veth for lease in self._leases.of_network(network.id)]
                link = hostbridge.make_bridge(route, network, self.alias(network.id), ports)
                return link, f"the bridge {link.name} was gone: made it again"
            if not link.up:
                route.act(link_up(link.name))
                return link, f"the bridge {link.name} was down: switched it on"
        return link, ""

    def lacking(self, network: NetworkConfig) -> tuple[str, ...]:
        """Return what ``ensure`` would have to make, and to say."""
        with Netlink(NETLINK_ROUTE) as route:
            link = hostbridge.find_bridge(route, network, self.alias(network.id))
        found = [f"{switch} is off" for switch in hostbridge.switched_off(network)]
        name = hostbridge.bridge_name(network)
        if link is None or not link.up:
            found.append(f"the bridge {name} is {'gone' if link is None else 'down'}")
        if not self.rules.is_whole(name):
            found.append(f"rules of {self.rules.name} are gone")
        return tuple([f'network "{network.name}": {text}' for text in found])

    def overlaps(self, network: NetworkConfig) -> tuple[str, ...]:
        """Return what else on the host has addresses of a network's."""
        from plugrun_network_bridge.overlaps import find_overlaps

        with Netlink(NETLINK_ROUTE) as route:
            link = self._own_bridge(route, network)
            found = find_overlaps(route, network, link.index if link else -1)
        return tuple(dict.fromkeys(map(str, found)))

    def _own_bridge(self, route: Netlink, network: NetworkConfig) -> Link | None:
        """Return a network's bridge; None if there is none, or if its name is another's by now."""
        try:
            return hostbridge.find_bridge(route, network, self.alias(network.id))
        except Conflict:
            return None

    def _ensure_rules(self, bridge: str) -> tuple[tuple[str, ...], str]:
        """Return what is to be said of the choice of rules, and of those that were gone."""
        noted: tuple[str, ...] = ()
        rules = self._chosen()
        try:
            made = rules.ensure(bridge)
        except NoTables as error:
            if self._firewall:
                raise
            from plugrun_network_bridge.firewall import fall_back

            rules, text = fall_back(self._leases, self.owner, error)
            made, noted = rules.ensure(bridge), (text,)
        return noted, f"rules of {rules.name} were gone: made them again" if made else ""

    def _chosen(self) -> Rules:
        """Return the rules in use, after a profile's other choice has been followed."""
        by_iptables = self._is_by_iptables()
        if self._firewall and (self._firewall == "iptables") != by_iptables:
            from plugrun_network_bridge import firewall

            use = firewall.use_nftables if by_iptables else firewall.use_iptables
            return use(self._leases, self.owner)
        return self.rules

    def _is_by_iptables(self) -> bool:
        return os.path.exists(f"{self._leases.state}/{_BY_IPTABLES}")

    @property
    def rules(self) -> Rules:
        """The rules in use."""
        if self._is_by_iptables():
            from plugrun_network_bridge.iptrules import IptablesRules

            return IptablesRules(self._leases, self.owner)
        return NftRules(self._leases, self.owner)

    def publish(self, lease: Lease) -> None:
        """Lead a container's ports to it."""
        if lease.ports:
            self.rules.publish(lease)

    def conceal(self, lease: Lease) -> None:
        """Lead a container's ports there no more."""
        if lease.ports:
            self.rules.conceal(lease)

    def remove(self, network: NetworkConfig) -> None:
        """Remove a network's bridge, and its part of the rules; it is forgotten already."""
        with Netlink(NETLINK_ROUTE) as route:
            link = self._own_bridge(route, network)
            if link is not None:
                route.act(delete_link(link.name))
        rules = self.rules
        if rules.is_there():
            rules.withdraw(hostbridge.bridge_name(network))
        self.renew()

    def renew(self) -> None:
        """Make the rules say what the leases say; without any network there are none."""
        rules = self.rules
        if rules.is_there():
            rules.renew()
        if self._is_by_iptables() and not self._leases.networks():
            from plugrun_network_bridge.firewall import forget

            forget(self._leases)


def _check_subnets(route: Netlink, network: NetworkConfig) -> None:
    """Refuse to make a bridge whose addresses are, by now, behind another interface.

    A route to more than those is another matter: the bridge's goes before it.
    """
    from plugrun_network_bridge.overlaps import find_overlaps

    for one in find_overlaps(route, network):
        if one.within:
            raise Conflict(
                f'network "{network.name}" cannot be brought up: {one}',
                hint="take that away, or create the network again, with another --subnet; "
                "`plugrun system check --repair` gives the default network another one",
            )


def isolated(network: NetworkConfig) -> bool:
    """Whether the network's containers are kept from each other, too."""
    return hostbridge.option(network, _ICC, "true") == "false"
