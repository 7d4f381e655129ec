"""Attachments that are killed in the middle."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

from typing import TYPE_CHECKING

from plugrun.interfaces.network import NETWORKS, PORTS
from plugrun.model.network import Endpoint, NetworkConfig, Port
from plugrun.testing.forked import killed_at
from plugrun.testing.network.fixtures import NetworkFixtures, an_id, attached, let_go, made, needs
from plugrun.testing.network.place import reaches, rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.testing.network.place import Place

_MOST_ACTS = 200


class CrashContract(NetworkFixtures):
    """A kill leaves what is found, and what the next one copes with."""

    @needs(NETWORKS)
    def test_attach_killed_at_any_moment(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        def begin(endpoint: Endpoint, box: Place) -> Callable[[], object]:
            return lambda: network.attach(endpoint, box.path)

        self._killed_throughout(network, place, begin)

    @needs(NETWORKS)
    def test_detach_killed_at_any_moment(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        def begin(endpoint: Endpoint, box: Place) -> Callable[[], object]:
            let_go(network.attach(endpoint, box.path))
            return lambda: network.detach(endpoint.container_id)

        self._killed_throughout(network, place, begin)

    @needs(NETWORKS)
    def test_networks_that_are_gone_are_swept(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        kept, gone = made(network), made(network)
        box = place()
        attached(network, box, kept)
        attached(network, place(), gone)
        said = network.sweep(frozenset((kept.id,)), remove=False)
        assert said
        assert network.sweep(frozenset((kept.id,))) == said
        assert network.sweep(frozenset((kept.id,))) == ()
        assert {one for _, one in network.attached()} == {kept.id}
        assert box.interfaces() == {"lo", "eth0"}

    def _killed_throughout(
        self,
        network: Network,
        place: Callable[[], Place],
        begin: Callable[[Endpoint, Place], Callable[[], object]],
    ) -> None:
        """Kill what ``begin`` returns before each of its acts, and see all work after each kill."""
        config = made(network)
        for count in range(_MOST_ACTS):
            box = place()
            endpoint = Endpoint(an_id(), config, ports=_ports(network))
            was_killed = killed_at(count, begin(endpoint, box))
            box.close()
            self._recover(network, config)
            self._works(network, config, place())
            if not was_killed:
                return
        raise AssertionError(f"more than {_MOST_ACTS} acts")

    def _recover(self, network: Network, config: NetworkConfig) -> None:
        """Do what core does after a crash: let go of what has ended, then sweep."""
        for container, _ in list(network.attached()):
            network.detach(container)
        network.sweep(frozenset((config.id,)))
        assert list(network.attached()) == []
        assert network.sweep(frozenset((config.id,)), remove=False) == ()

    def _works(self, network: Network, config: NetworkConfig, box: Place) -> None:
        ports = _ports(network)
        container = an_id()
        got = network.attach(Endpoint(container, config, ports=ports), box.path)
        if ports:
            with box.listen(80) as server:
                assert reaches(server, "127.0.0.1", 8080)
        let_go(got)
        box.close()
        network.detach(container)
        assert "8080" not in rules()


def _ports(network: Network) -> tuple[Port, ...]:
    return (Port(80, host_port=8080),) if PORTS in network.capabilities else ()
