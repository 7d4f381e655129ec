"""The verbs of the interface; see ``plugrun.interfaces.network``."""

from __future__ import annotations

from plugrun.api import (
    ADDRESSES,
    CONNECT,
    NAMES,
    NETWORKS,
    OUTBOUND,
    PORTS,
    Probe,
    replace,
)

from plugrun_network_bridge.host import Host
from plugrun_network_bridge.leases import Held, Leases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plugrun.api import Attachment, Endpoint, NetworkConfig

# Whoever chooses a subnet holds it, whichever state folder it is for.
_CHOOSING = "/run/plugrun-networks.lock"


class BridgeNetwork:
    """The networks of one state folder."""

    capabilities = frozenset((OUTBOUND, PORTS, NAMES, NETWORKS, ADDRESSES, CONNECT))

    def __init__(self, state: str, firewall: str = "") -> None:
        self._leases = Leases(state)
        self._firewall = firewall
        self._host = Host(self._leases, firewall)

    def probe(self) -> Probe:
        """Find out whether this process may make interfaces and rules, without making any."""
        from plugrun_network_bridge.probing import probe

        return probe(self._firewall)

    def create(self, network: NetworkConfig, others: Sequence[NetworkConfig] = ()) -> NetworkConfig:
        """Choose subnets and gateways, and make the bridge, which shows others what is taken."""
        from plugrun_network_bridge.pools import complete
        from plugrun_network_bridge.sweeping import sweep_abandoned

        with Held(_CHOOSING):
            sweep_abandoned(self._leases)
            completed = complete(network, others)
            with self._leases.locked():
                # Only then: what is kept is in the rules, and this name may be another's.
                self._host.ensure_bridge(completed)
                self._leases.keep_network(completed)
        return completed

    def remove(self, network: NetworkConfig) -> None:
        """Remove the bridge and its rules; what is attached loses the network."""
        from plugrun_network_bridge.detaching import detach

        with self._leases.locked():
            for lease in self._leases.of_network(network.id):
                detach(self._leases, self._host, lease)
            self._leases.forget_network(network.id)
            self._host.remove(network)

    def attach(self, endpoint: Endpoint, netns: str) -> Attachment:
        """Connect a container's network namespace."""
        from plugrun_network_bridge.attaching import attach

        return attach(self._leases, self._host, endpoint, netns)

    def detach(self, container_id: str, network_id: str = "") -> None:
        """Give back what a container has of one network, or of all."""
        from plugrun_network_bridge.detaching import detach

        wanted = (network_id,) if network_id else self._leases.network_ids()
        with self._leases.locked():
            for one in wanted:
                lease = self._leases.find(container_id, one)
                if lease is not None:
                    detach(self._leases, self._host, lease)

    def rename(self, endpoint: Endpoint) -> None:
        """Write the new names down, and tell those who are asked for them."""
        from plugrun_network_bridge.naming import announce

        with self._leases.locked():
            lease = self._leases.find(endpoint.container_id, endpoint.network.id)
            if lease is not None:
                self._leases.write(replace(lease, names=endpoint.names, links=endpoint.links))
                announce(self._leases.state, lease.network_id)

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield the container and the network ID of every lease."""
        return self._leases.holders()

    def sweep(self, networks: frozenset[str], *, remove: bool = True) -> tuple[str, ...]:
        """Remove what is left of networks that are none any more, and of killed attachments."""
        from plugrun_network_bridge.sweeping import sweep

        with self._leases.locked():
            return sweep(self._leases, self._host, networks, remove=remove)

    def mend(self, *, act: bool = True) -> tuple[str, ...]:
        """Make again what attached containers have lost, and say what that was."""
        from plugrun_network_bridge.mending import mend

        with self._leases.locked():
            return mend(self._leases, self._host, act=act)

    def overlaps(self, network: NetworkConfig) -> tuple[str, ...]:
        """Say what else on the host has addresses of a network's."""
        return self._host.overlaps(network)
