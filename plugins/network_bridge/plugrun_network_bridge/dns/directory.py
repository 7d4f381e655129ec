"""Who is called what: read from the leases, and again when somebody says that they changed."""

from __future__ import annotations

import os

from plugrun.api import NetworkConfig, record

from plugrun_network_bridge.addresses import packed
from plugrun_network_bridge.dns.wire import AAAA, ANY, PTR, A, Question, encoded
from plugrun_network_bridge.leases import Lease, Leases

_ARPA4, _ARPA6 = ".in-addr.arpa", ".ip6.arpa"


@record
class Known:
    """A network that names are served on, with its leases."""

    network: NetworkConfig
    leases: tuple[Lease, ...]


class Directory:
    """The names of one state folder, as they were when they were read last."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._known: dict[str, Known] = {}
        for network_id in leases.network_ids():
            self.read(network_id)

    def read(self, network_id: str) -> None:
        """Read a network's names again."""
        self._known.pop(network_id, None)
        network = self._leases.network(network_id)
        if network is not None:
            leases = [lease for lease in self._leases.of_network(network_id) if lease.names]
            self._known[network_id] = Known(network, tuple(leases))

    def containers(self) -> dict[str, Lease]:
        """Return one lease of each container that names are served to."""
        return {lease.container_id: lease for one in self._known.values() for lease in one.leases}

    def resolvers(self, container_id: str) -> tuple[str, ...]:
        """Return who knows all other names for a container; nobody on internal networks."""
        for known in self._of(container_id):
            for lease in known.leases:
                if lease.container_id == container_id and not known.network.internal:
                    return lease.resolvers
        return ()

    def look_up(self, container_id: str, question: Question) -> tuple[bytes, ...] | None:
        """Return what a container is told, which may be nothing; None if it must ask others."""
        if not question.internet:
            return None
        if question.name.endswith((_ARPA4, _ARPA6)):
            return self._reverse(container_id, question) if question.kind == PTR else None
        found = self._forward(container_id, question.name)
        if not found:
            return None
        four = [packed(lease.ipv4) for lease in found if lease.ipv4]
        six = [packed(lease.ipv6) for lease in found if lease.ipv6]
        wanted = {A: four, AAAA: six, ANY: four + six}.get(question.kind, [])
        return _turned(wanted)

    def _of(self, container_id: str) -> list[Known]:
        return [
            known
            for known in self._known.values()
            if any(lease.container_id == container_id for lease in known.leases)
        ]

    def _forward(self, container_id: str, name: str) -> list[Lease]:
        """Links come first, then names; ``NAME.NETWORK`` is a name, too."""
        found = []
        for known in self._of(container_id):
            [own] = [one for one in known.leases if one.container_id == container_id]
            behind = f".{known.network.name.lower()}"
            short = name.removesuffix(behind)
            linked = {other for alias, other in own.links if alias.lower() in (name, short)}
            found += [lease for lease in known.leases if lease.container_id in linked]
            if not linked:
                found += [lease for lease in known.leases if _is_called(lease, name, short)]
        return found

    def _reverse(self, container_id: str, question: Question) -> tuple[bytes, ...] | None:
        for known in self._of(container_id):
            for lease in known.leases:
                for address in lease.addresses:
                    if _arpa(packed(address)) == question.name:
                        return (encoded(f"{lease.names[0]}.{known.network.name}"),)
        return None


def _is_called(lease: Lease, name: str, short: str) -> bool:
    return any(own.lower() in (name, short) for own in lease.names)


def _arpa(address: bytes) -> str:
    if len(address) == 4:
        return ".".join([str(byte) for byte in reversed(address)]) + _ARPA4
    return ".".join(reversed(address.hex())) + _ARPA6


def _turned(data: list[bytes]) -> tuple[bytes, ...]:
    """Several containers of one name take turns at being first."""
    if len(data) < 2:
        return tuple(data)
    first = os.urandom(1)[0] % len(data)
    return tuple(data[first:] + data[:first])
