"""The end of an attachment."""

from __future__ import annotations

import errno
import os

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
    runs = _runs(lease)
    if runs or not lease.names:
        _remove_interface(lease)
    leases.drop(lease)
    if lease.names:
        _part(leases.state, lease, ended=not runs)


def _runs(lease: Lease) -> bool:
    """Whether who was attached is still there."""
    try:
        return os.stat(lease.netns).st_ino == lease.inode
    except OSError:
        return False


def _part(state: str, lease: Lease, *, ended: bool) -> None:
    """Let the DNS server, whose sockets keep the namespace alive, see to the interface, too."""
    from plugrun_network_bridge.naming import part

    told = part(state, lease, interface=ended)
    if ended and not told:
        _remove_interface(lease)


def _remove_interface(lease: Lease) -> None:
    with Netlink(NETLINK_ROUTE) as netlink:
        try:
            if lives_on(netlink, lease.nsid):
                netlink.act(delete_link(lease.veth))
        except OSError as error:
            if error.errno != errno.ENODEV:  # it was never made, or went this moment
                raise
