"""Who reaches whom."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

from typing import TYPE_CHECKING

from plugrun.interfaces.network import CONNECT, NETWORKS, OUTBOUND, PORTS
from plugrun.model.network import Endpoint, Port
from plugrun.testing.network.fixtures import (
    HOST,
    WORLD,
    WORLD6,
    NetworkFixtures,
    address_of,
    an_id,
    attached,
    let_go,
    made,
    needs,
)
from plugrun.testing.network.place import is_refused, listen, receive, route_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.testing.network.place import Place


class WayContract(NetworkFixtures):
    """Out, to each other, and no further."""

    @needs(OUTBOUND)
    def test_out_to_other_hosts(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box = place()
        attached(network, box, made(network))
        assert box.reaches(world.listen(80), WORLD, 80)
        assert box.asks(world.receive(53), WORLD, 53)

    @needs(NETWORKS)
    def test_out_over_ipv6(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box = place()
        attached(network, box, made(network, ipv6=True))
        assert box.reaches(world.listen(80), WORLD6, 80)

    @needs(OUTBOUND)
    def test_to_each_other_and_to_the_host(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, one, other = made(network), place(), place()
        got, second = attached(network, one, config), attached(network, other, config)
        address = address_of(second)
        assert one.reaches(other.listen(80), address, 80)
        assert one.asks(other.receive(53), address, 53)
        with listen(81) as server:
            assert one.reaches(server, got.gateways[0], 81)

    @needs(NETWORKS)
    def test_other_hosts_do_not_reach_what_is_not_published(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, box = made(network), place()
        address = address_of(attached(network, box, config))
        world.run(f"ip route add {config.subnets[0].cidr} via {HOST}")
        with box.listen(80):
            assert world.inside(lambda: is_refused(address, 80))
            assert not is_refused(address, 80)

    @needs(NETWORKS)
    def test_networks_are_fenced_off_from_each_other(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        one, other = place(), place()
        attached(network, one, made(network))
        address = address_of(attached(network, other, made(network)))
        with other.listen(80):
            assert one.inside(lambda: is_refused(address, 80))

    @needs(CONNECT)
    def test_who_is_on_both_reaches_both(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        first, second, container, both = made(network), made(network), an_id(), place()
        network.attach(Endpoint(container, first), both.path)
        network.attach(Endpoint(container, second, interface="eth1", gateway=False), both.path)
        for config in (first, second):
            other = place()
            address = address_of(attached(network, other, config))
            assert both.reaches(other.listen(80), address, 80)

    @needs(NETWORKS)
    def test_an_internal_network_leads_nowhere(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, one, other = made(network, internal=True), place(), place()
        attached(network, one, config)
        got = attached(network, other, config)
        assert one.reaches(other.listen(80), address_of(got), 80)
        subnet = config.subnets[0]
        assert "default" not in one.run("ip route show")
        one.run(f"ip route add default via {subnet.gateway}")
        with world.listen(80), world.receive(53) as asked:
            assert one.inside(lambda: is_refused(WORLD, 80))
            asked.settimeout(0.2)
            assert not one.asks(asked, WORLD, 53)

    @needs(NETWORKS, PORTS)
    def test_an_internal_network_does_not_lead_to_published_ports(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        """Though its gateway is an address of the host, at which they are published."""
        config, inner, web = made(network, internal=True), place(), place()
        attached(network, inner, config)
        got = attached(network, web, made(network), ports=(Port(80, host_port=8080),))
        gateway = config.subnets[0].gateway
        with web.listen(80):
            assert inner.inside(lambda: is_refused(gateway, 8080))
        let_go(got)

    @needs(OUTBOUND)
    def test_containers_do_not_reach_the_hosts_loopback(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, box = made(network), place()
        got = attached(network, box, config)
        with listen(80, "127.0.0.1"), receive(53, "127.0.0.1") as server:
            box.run("ip link set lo down", f"ip route add 127.0.0.0/8 via {got.gateways[0]}")
            box.inside(route_loopback)
            assert box.inside(lambda: is_refused("127.0.0.1", 80))
            server.settimeout(0.2)
            assert not box.asks(server, "127.0.0.1", 53)
