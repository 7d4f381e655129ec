"""The end of an attachment."""

from __future__ import annotations

import errno

from plugrun_network_bridge.links import delete_link, lives_on
from plugrun_network_bridge.netlink import NETLINK_ROUTE, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun_network_bridge.host import Host
    from plugrun_network_bridge.leases import Lease, Leases


def detach(leases: Leases, host: Host, lease: Lease) -> None:
    """Undo what a lease names, then forget it. The leases' lock is held.

    The interface of a container that has ended goes with its namespace, which costs nothing;
    removing it would cost as much as a start. But whoever shares the namespace may live on.
    """
    host.conceal(lease)
    with Netlink(NETLINK_ROUTE) as netlink:
        if lives_on(netlink, lease.nsid):
            _delete(netlink, lease.veth)
    leases.drop(lease)


def _delete(netlink: Netlink, name: str) -> None:
    try:
        netlink.act(delete_link(name))
    except OSError as error:
        if error.errno != errno.ENODEV:  # it went this moment
            raise
