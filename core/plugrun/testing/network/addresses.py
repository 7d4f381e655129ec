"""Who has which address."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import Conflict, InvalidArgument, NoAddress
from plugrun.interfaces.network import ADDRESSES, NETWORKS, OUTBOUND
from plugrun.model.network import NetworkConfig, Subnet
from plugrun.testing.forked import race
from plugrun.testing.network.fixtures import (
    NetworkFixtures,
    address_of,
    an_id,
    attached,
    made,
    needs,
)
from plugrun.testing.network.place import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.testing.network.place import Place

_RACERS = 12


class AddressContract(NetworkFixtures):
    """Addresses have one holder each, and subnets overlap nothing."""

    @needs(OUTBOUND)
    def test_everybody_has_an_own_one(self, network: Network, place: Callable[[], Place]) -> None:
        config = made(network)
        got = [attached(network, place(), config) for _ in range(5)]
        assert len({one.addresses for one in got}) == 5
        assert len({one.mac for one in got}) == 5

    @needs(OUTBOUND)
    def test_of_those_that_race_everybody_has_an_own_one(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config = made(network)
        boxes = [place() for _ in range(_RACERS)]

        def racer(box: Place) -> Callable[[], object]:
            return lambda: attached(network, box, config)

        assert race([racer(box) for box in boxes], Exception) == [""] * _RACERS
        shown = [box.run("ip -o -4 address show dev eth0").split()[3] for box in boxes]
        assert len(set(shown)) == _RACERS
        assert len(list(network.attached())) == _RACERS

    @needs(ADDRESSES)
    def test_what_is_asked_for_is_given(self, network: Network, place: Callable[[], Place]) -> None:
        config = made(network, subnets=(Subnet("10.77.0.0/24"),))
        asked = {"ipv4": "10.77.0.99", "mac": "02:00:00:00:00:99"}
        got = attached(network, place(), config, **asked)
        assert got.addresses == ("10.77.0.99/24",)
        assert got.mac == "02:00:00:00:00:99"

    @needs(ADDRESSES)
    def test_what_somebody_has_is_refused(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config = made(network, subnets=(Subnet("10.77.0.0/24", gateway="10.77.0.7"),))
        taken = address_of(attached(network, place(), config))
        box = place()
        for address in (taken, "10.77.0.7"):
            with pytest.raises(Conflict, match="Address already in use"):
                attached(network, box, config, ipv4=address)
        with pytest.raises(InvalidArgument, match="does not belong to any of this network's"):
            attached(network, box, config, ipv4="10.78.0.2")
        assert box.interfaces() == {"lo"}
        assert len(list(network.attached())) == 1

    @needs(ADDRESSES)
    def test_one_address_has_one_winner(self, network: Network, place: Callable[[], Place]) -> None:
        config = made(network, subnets=(Subnet("10.77.0.0/24"),))
        boxes = [place() for _ in range(6)]

        def racer(box: Place) -> Callable[[], object]:
            return lambda: attached(network, box, config, ipv4="10.77.0.50")

        results = race([racer(box) for box in boxes], Conflict)
        assert sorted(results) == [""] + ["Conflict"] * 5

    @needs(ADDRESSES)
    def test_a_full_subnet_is_no_address(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        subnet = Subnet("10.77.0.0/29", reserved=(("printer", "10.77.0.4"),))
        config = made(network, subnets=(subnet,))
        got = [attached(network, place(), config) for _ in range(4)]
        assert "10.77.0.4/29" not in [one.addresses[0] for one in got]
        last, box = place(), place()
        with pytest.raises(NoAddress, match="no free address"):
            attached(network, last, config)
        assert last.interfaces() == {"lo"}
        container, _ = next(iter(network.attached()))
        network.detach(container)
        assert len(attached(network, box, config).addresses) == 1

    @needs(NETWORKS)
    def test_containers_get_theirs_from_the_range(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config = made(network, subnets=(Subnet("10.77.0.0/16", range="10.77.9.0/28"),))
        got = attached(network, place(), config)
        within = ipaddress.ip_network("10.77.9.0/28")
        assert ipaddress.ip_address(address_of(got)) in within
        assert got.addresses[0].endswith("/16")

    @needs(NETWORKS)
    def test_subnets_overlap_nothing_of_the_host(self, network: Network) -> None:
        _connect_vpn()
        config = made(network)
        first = config.subnets[0].cidr
        network.remove(config)
        run(f"ip route add {first} via 10.8.0.1")
        others = [made(network)]
        others.append(network.create(_fresh(), others))
        blocks = [ipaddress.ip_network(one.subnets[0].cidr) for one in others]
        blocks.append(ipaddress.ip_network(first))
        for number, block in enumerate(blocks):
            assert not any(block.overlaps(other) for other in blocks[:number])

    @needs(OUTBOUND)
    def test_routes_that_lead_everywhere_overlap_nothing(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        """As VPNs make them that take all that there is."""
        _connect_vpn()
        run("ip route add 0.0.0.0/1 via 10.8.0.1", "ip route add 128.0.0.0/1 via 10.8.0.1")
        config = made(network)
        assert attached(network, place(), config).addresses
        assert network.overlaps(config) == ()

    @needs(NETWORKS)
    def test_no_subnet_left_is_no_address(self, network: Network) -> None:
        _connect_vpn()
        run("ip route add 172.16.0.0/12 via 10.8.0.1", "ip route add 192.168.0.0/16 via 10.8.0.1")
        with pytest.raises(NoAddress, match="non-overlapping IPv4 address pool"):
            made(network)

    @pytest.mark.parametrize(
        ("subnet", "words"),
        [
            (Subnet("10.77.0.0"), "invalid CIDR"),
            (Subnet("10.77.0.0/33"), "invalid CIDR"),
            (Subnet("10.77.0.0/31"), "no room"),
            (Subnet("ten/8"), "invalid"),
            (Subnet("10.77.0.0/24", gateway="10.78.0.1"), "no matching subnet for gateway"),
            (Subnet("10.77.0.0/24", range="10.78.0.0/28"), "no matching subnet for range"),
            (Subnet("10.77.0.0/24", reserved=(("a", "::1"),)), "no matching subnet for aux"),
        ],
    )
    @needs(NETWORKS)
    def test_a_subnet_that_cannot_be_is_refused(
        self, network: Network, subnet: Subnet, words: str
    ) -> None:
        with pytest.raises(InvalidArgument, match=words):
            made(network, subnets=(subnet,))

    @needs(NETWORKS)
    def test_a_subnet_is_one_networks(self, network: Network) -> None:
        config = made(network, subnets=(Subnet("10.77.0.0/24"),))
        with pytest.raises(Conflict, match="Pool overlaps"):
            network.create(_fresh(subnets=(Subnet("10.77.0.128/25"),)), (config,))

    @needs(NETWORKS)
    def test_ipv6_beside_ipv4(self, network: Network, place: Callable[[], Place]) -> None:
        config = made(network, ipv6=True)
        one, other = place(), place()
        attached(network, one, config)
        got = attached(network, other, config)
        assert len(got.addresses) == len(got.gateways) == 2
        address = address_of(got, v6=True)
        assert ipaddress.ip_address(address).is_private
        assert one.reaches(other.listen(80), address, 80)


def _connect_vpn() -> None:
    run("ip link add vpn type bridge", "ip address add 10.8.0.2/24 dev vpn", "ip link set vpn up")


def _fresh(**fields: object) -> NetworkConfig:
    return NetworkConfig(an_id(), "suite", "suite", **fields)  # type: ignore[arg-type]
