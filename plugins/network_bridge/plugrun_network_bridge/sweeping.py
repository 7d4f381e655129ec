"""What killed processes left on the host."""

from __future__ import annotations

import errno

from plugrun_network_bridge import hostbridge
from plugrun_network_bridge.links import delete_link
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink

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
    kept = {hostbridge.alias(host.owner, network_id) for network_id in networks}
    mark = hostbridge.alias(host.owner, "")
    bridges = [name for name, alias, _ in known if alias.startswith(mark) and alias not in kept]
    said += [f"bridge {name} of no network" for name in bridges]
    ours = {name for name, alias, _ in known if alias in kept}
    held = {lease.veth for lease in leases.all()}
    strays = [name for name, _, master in known if master in ours and name not in held]
    strays = [name for name in strays if name.startswith("veth")]
    said += [f"interface {name} of no attachment" for name in strays]
    said += _unheld_addresses(leases, remove=remove)
    said += _without_names(leases, remove=remove)
    if remove:
        for network_id in gone:
            leases.forget_network(network_id)
        _delete_all(strays + bridges)
        if gone or bridges:
            host.renew()
    return tuple(said)


def _delete_all(names: list[str]) -> None:
    with Netlink(NETLINK_ROUTE) as route:
        for name in names:
            try:
                route.act(delete_link(name))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise


def _without_names(leases: Leases, *, remove: bool) -> list[str]:
    """Say so if containers wait for a DNS server that was killed; start another."""
    served = next((lease for lease in leases.all() if lease.names), None)
    if served is None:
        return []
    from plugrun_network_bridge.naming import announce, introduce

    if announce(leases.state, served.network_id):
        return []
    if remove:
        introduce(leases.state, served)
    return ["the DNS server for containers was gone"]


def _unheld_addresses(leases: Leases, *, remove: bool) -> list[str]:
    said = []
    for network_id in leases.network_ids():
        for address in leases.unheld(network_id):
            said.append(f"address {address} of nobody on network {network_id[:12]}")
            if remove:
                leases.give_back(network_id, address)
    return said
