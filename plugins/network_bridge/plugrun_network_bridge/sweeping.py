"""What killed processes left on the host."""

from __future__ import annotations

import errno
import os

from plugrun_network_bridge.host import LONGEST_ALIAS, MARK
from plugrun_network_bridge.links import delete_link
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink
from plugrun_network_bridge.nftrules import NftRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_network_bridge.host import Host
    from plugrun_network_bridge.leases import Leases


def sweep(leases: Leases, host: Host, networks: frozenset[str], *, remove: bool) -> tuple[str, ...]:
    """Remove, or only name, what belongs to no network and to no attachment. The lock is held."""
    from plugrun_network_bridge.survey import interfaces

    said = []
    known = interfaces()
    gone = [network_id for network_id in leases.network_ids() if network_id not in networks]
    said += [f"state of network {network_id[:12]}, which is gone" for network_id in gone]
    kept = {host.alias(network_id) for network_id in networks}
    mark = f"{MARK} {host.owner} "
    bridges = [name for name, alias, _ in known if alias.startswith(mark) and alias not in kept]
    said += [f"bridge {name} of no network" for name in bridges]
    ours = {name for name, alias, _ in known if alias in kept}
    held = {lease.veth for lease in leases.all()}
    strays = [name for name, _, master in known if master in ours and name not in held]
    strays = [name for name in strays if name.startswith("veth")]
    said += [f"interface {name} of no attachment" for name in strays]
    ruled = not networks and host.rules.is_there() and not gone
    said += [f"{host.rules.name} of no network"] * ruled
    said += _unheld_addresses(leases, remove=remove)
    if remove:
        for network_id in gone:
            leases.forget_network(network_id)
        _delete_all(strays + bridges)
        if gone or bridges or ruled:
            host.renew()
    return tuple(said)


def sweep_abandoned(leases: Leases) -> None:
    """Remove bridges and tables of state folders that are gone, unless a container is on one.

    Whoever removes all of a root cannot be asked to tell; there are only so many subnets.
    """
    from plugrun_network_bridge.survey import interfaces

    known = interfaces()
    used = {master for _, _, master in known}
    left: dict[str, list[str]] = {}
    for name, alias, _ in known:
        words = alias.split(" ", 3)
        whole = len(words) == 4 and words[0] == MARK and len(alias) < LONGEST_ALIAS
        if whole and not os.path.isdir(words[3]):
            left.setdefault(words[1], []).append(name)
    for owner, bridges in left.items():
        if used.isdisjoint(bridges):
            _delete_all(bridges)
            _delete_rules(leases, owner)


def _delete_rules(leases: Leases, owner: str) -> None:
    """Nobody knows any more by what they were made."""
    from plugrun_network_bridge.iptrules import IptablesRules

    for rules in (NftRules(leases, owner), IptablesRules(leases, owner)):
        if rules.is_there():
            rules.remove()


def _delete_all(names: list[str]) -> None:
    with Netlink(NETLINK_ROUTE) as route:
        for name in names:
            try:
                route.act(delete_link(name))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise


def _unheld_addresses(leases: Leases, *, remove: bool) -> list[str]:
    said = []
    for network_id in leases.network_ids():
        for address in leases.unheld(network_id):
            said.append(f"address {address} of nobody on network {network_id[:12]}")
            if remove:
                leases.give_back(network_id, address)
    return said
