"""The hooks, and the network itself: there is nothing to do."""

from __future__ import annotations

from plugrun.api import Attachment, InvalidArgument, Option, Probe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from plugrun.api import Endpoint, Network, NetworkConfig


def plugrun_options() -> tuple[Option, ...]:
    """No key may be set."""
    return ()


def plugrun_open_network(state: str, options: Mapping[str, Any]) -> Network | None:
    """Open the network that joins nothing; it keeps no state."""
    return LoopbackOnly()


class LoopbackOnly:
    """Containers reach themselves alone, by the loopback that isolation has brought up."""

    capabilities: frozenset[str] = frozenset()

    def probe(self) -> Probe:
        """Say that it works, everywhere."""
        return Probe(True)

    def create(self, network: NetworkConfig, others: Sequence[NetworkConfig] = ()) -> NetworkConfig:
        """Return it as it is: there are no addresses to decide."""
        return network

    def remove(self, network: NetworkConfig) -> None:
        """Take nothing from the host."""

    def attach(self, endpoint: Endpoint, netns: str) -> Attachment:
        """Leave the namespace as it is; InvalidArgument if more than loopback is asked for."""
        if endpoint.ports or endpoint.ipv4 or endpoint.ipv6 or endpoint.mac:
            raise InvalidArgument(
                f'network "{endpoint.network.name}" joins nothing: it has no ports and no addresses'
            )
        return Attachment()

    def detach(self, container_id: str, network_id: str = "") -> None:
        """Undo nothing."""

    def rename(self, endpoint: Endpoint) -> None:
        """Tell nobody: there is nobody to tell."""

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield nothing: an attachment leaves no trace."""
        return iter(())

    def sweep(self, networks: frozenset[str], *, remove: bool = True) -> tuple[str, ...]:
        """Find nothing to remove."""
        return ()

    def mend(self, *, act: bool = True) -> tuple[str, ...]:
        """Find nothing that could have been lost."""
        return ()

    def overlaps(self, network: NetworkConfig) -> tuple[str, ...]:
        """Find nothing: there are no addresses."""
        return ()
