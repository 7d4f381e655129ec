"""What containers that run have lost: a bridge, rules, the server that knows their names."""

from __future__ import annotations

from plugrun.api import BackendUnavailable, Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import NetworkConfig

    from plugrun_network_bridge.host import Host
    from plugrun_network_bridge.leases import Leases


def mend(leases: Leases, host: Host, *, act: bool) -> tuple[str, ...]:
    """Make it again, or only say what is missing. The lock is held."""
    said: list[str] = []
    for network in leases.networks():
        if leases.has_holders(network.id):
            said += _of_network(host, network, act=act)
    return (*said, *_names(leases, act=act))


def _of_network(host: Host, network: NetworkConfig, *, act: bool) -> tuple[str, ...]:
    """Whatever is in the way of one network is said, and in nobody else's."""
    try:
        return host.ensure(network)[1] if act else host.lacking(network)
    except (BackendUnavailable, Conflict) as error:
        return (error.message,)


def _names(leases: Leases, *, act: bool) -> tuple[str, ...]:
    """Look after the DNS server; one that is started tells itself who is there."""
    served = next((lease for lease in leases.all() if lease.names), None)
    if served is None:
        return ()
    from plugrun_network_bridge.naming import announce, introduce

    if announce(leases.state, served.network_id):
        return ()
    if not act:
        return ("the DNS server for containers is gone",)
    introduce(leases.state, served)
    return ("the DNS server for containers was gone: started it again",)
