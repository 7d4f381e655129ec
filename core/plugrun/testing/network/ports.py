"""Published ports."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import Conflict, InvalidArgument
from plugrun.interfaces.network import NETWORKS, PORTS
from plugrun.model.network import Attachment, Endpoint, Port
from plugrun.testing.forked import race
from plugrun.testing.network.fixtures import (
    HOST,
    HOST6,
    NetworkFixtures,
    an_id,
    attached,
    let_go,
    made,
    needs,
)
from plugrun.testing.network.place import (
    PATIENCE,
    asks,
    is_refused,
    listen,
    reaches,
    receive,
    route_loopback,
)
from plugrun.testing.network.sctp import exchanges

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.testing.network.place import Place

_EVERY = "0.0.0.0"  # noqa: S104


class PortContract(NetworkFixtures):
    """Ports lead where they should, and have one holder."""

    @needs(PORTS)
    def test_reached_from_everywhere(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, box, other = made(network), place(), place()
        got = attached(network, box, config, ports=(Port(80, host_port=8080),))
        attached(network, other, config)
        server = box.listen(80)
        assert got.ports == (Port(80, host_address=_EVERY, host_port=8080),)
        assert world.reaches(server, HOST, 8080)
        assert reaches(server, "127.0.0.1", 8080)
        assert reaches(server, HOST, 8080)
        assert reaches(server, got.gateways[0], 8080)
        assert other.reaches(server, HOST, 8080)
        assert other.reaches(server, got.gateways[0], 8080)
        assert box.reaches(server, HOST, 8080)
        let_go(got)

    @needs(PORTS, NETWORKS)
    def test_reached_from_other_networks(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box, other = place(), place()
        got = attached(network, box, made(network), ports=(Port(80, host_port=8080),))
        attached(network, other, made(network))
        assert other.reaches(box.listen(80), HOST, 8080)
        let_go(got)

    @needs(PORTS)
    def test_datagrams(self, network: Network, place: Callable[[], Place], world: Place) -> None:
        config, box, other = made(network), place(), place()
        got = attached(network, box, config, ports=(Port(53, "udp", host_port=5353),))
        attached(network, other, config)
        server = box.receive(53)
        assert world.asks(server, HOST, 5353)
        assert asks(server, "127.0.0.1", 5353)
        assert other.asks(server, HOST, 5353)
        assert world.inside(lambda: is_refused(HOST, 5353))
        let_go(got)

    @needs(PORTS)
    def test_sctp(self, network: Network, place: Callable[[], Place], world: Place) -> None:
        box = place()
        got = attached(network, box, made(network), ports=(Port(80, "sctp", host_port=8080),))
        assert got.ports == (Port(80, "sctp", _EVERY, 8080),)
        assert exchanges(world, HOST, 8080, box, 80)
        with pytest.raises(Conflict, match="already"):
            attached(network, place(), made(network), ports=got.ports)
        let_go(got)

    @needs(PORTS, NETWORKS)
    def test_over_ipv6(self, network: Network, place: Callable[[], Place], world: Place) -> None:
        box = place()
        ports = (Port(80, host_port=8080), Port(81, host_address=HOST, host_port=8081))
        got = attached(network, box, made(network, ipv6=True), ports=ports)
        assert {(one.host_address, one.host_port) for one in got.ports} == {
            (_EVERY, 8080), ("::", 8080), (HOST, 8081),
        }  # fmt: skip
        server = box.listen(80)
        assert world.reaches(server, HOST6, 8080)
        assert world.reaches(server, HOST, 8080)
        assert reaches(server, HOST6, 8080)
        assert reaches(server, "127.0.0.1", 8080)
        assert world.inside(lambda: is_refused(HOST6, 8081))
        # Whoever tries ::1 first must find out at once that it is 127.0.0.1.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("::1", 8080), PATIENCE)
        let_go(got)

    @needs(PORTS)
    def test_only_at_the_address_that_was_asked_for(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box = place()
        ports = (
            Port(80, host_address="127.0.0.1", host_port=8080),
            Port(81, host_address=HOST, host_port=8081),
        )
        got = attached(network, box, made(network), ports=ports)
        assert got.ports == ports
        assert reaches(box.listen(80), "127.0.0.1", 8080)
        assert world.reaches(box.listen(81), HOST, 8081)
        assert world.inside(lambda: is_refused(HOST, 8080))
        assert is_refused("127.0.0.1", 8081)
        let_go(got)

    @needs(PORTS)
    def test_neighbours_do_not_reach_what_is_published_on_loopback(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box = place()
        asked = (Port(53, "udp", host_address="127.0.0.1", host_port=5353),)
        got = attached(network, box, made(network), ports=asked)
        world.run("ip link set lo down", f"ip route add 127.0.0.0/8 via {HOST}")
        world.inside(route_loopback)
        with box.receive(53) as server:
            server.settimeout(0.2)
            assert not world.asks(server, "127.0.0.1", 5353)
        let_go(got)

    @needs(PORTS)
    def test_any_free_port(self, network: Network, place: Callable[[], Place]) -> None:
        box = place()
        got = attached(network, box, made(network), ports=(Port(80), Port(81), Port(80, "udp")))
        assert [one.port for one in got.ports] == [80, 81, 80]
        assert all(one.host_port >= 32768 for one in got.ports)
        assert got.ports[0].host_port != got.ports[1].host_port
        assert reaches(box.listen(80), "127.0.0.1", got.ports[0].host_port)
        assert reaches(box.listen(81), "127.0.0.1", got.ports[1].host_port)
        assert asks(box.receive(80), "127.0.0.1", got.ports[2].host_port)
        let_go(got)

    @needs(PORTS)
    def test_one_of_a_range(self, network: Network, place: Callable[[], Place]) -> None:
        config, asked = made(network), (Port(80, host_port=8080, host_port_end=8082),)
        with listen(8081):
            first, second = (attached(network, place(), config, ports=asked) for _ in range(2))
            assert [one.ports[0].host_port for one in (first, second)] == [8080, 8082]
            with pytest.raises(Conflict):
                attached(network, place(), config, ports=asked)
        let_go(first)
        let_go(second)

    @needs(PORTS)
    def test_what_a_program_has_is_refused_and_nothing_left(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, box = made(network), place()
        descriptors = os.listdir("/proc/self/fd")
        with listen(8080, "127.0.0.1"), receive(5353, _EVERY):
            for port in (Port(80, host_port=8080), Port(53, "udp", host_port=5353)):
                with pytest.raises(Conflict, match="address already in use"):
                    attached(network, box, config, ports=(Port(79), port))
        assert list(network.attached()) == []
        assert box.interfaces() == {"lo"}
        assert len(os.listdir("/proc/self/fd")) == len(descriptors)
        let_go(attached(network, box, config, ports=(Port(80, host_port=8080),)))

    @needs(PORTS)
    def test_what_a_container_has_is_refused(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, asked = made(network), (Port(80, host_port=8080),)
        got = attached(network, place(), config, ports=asked)
        with pytest.raises(Conflict, match=r"0\.0\.0\.0:8080.*already allocated"):
            attached(network, place(), config, ports=asked)
        with pytest.raises(OSError, match="in use"):
            listen(8080, _EVERY).close()
        let_go(got)
        # Whoever held it was killed, and the container lives.
        with pytest.raises(Conflict, match="port is already allocated"):
            attached(network, place(), config, ports=asked)
        # The message names what was asked for, the hint who has it.
        one = (Port(80, host_port=8080, host_address="127.0.0.1"),)
        with pytest.raises(Conflict, match=r"127\.0\.0\.1:8080.*already allocated") as caught:
            attached(network, place(), config, ports=one)
        assert "0.0.0.0:8080" in caught.value.hint
        assert len(list(network.attached())) == 1

    @needs(PORTS)
    def test_one_port_at_two_addresses_has_two_holders(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, boxes = made(network), (place(), place())
        for box, address in zip(boxes, ("127.0.0.1", "127.0.0.2"), strict=True):
            ports = (Port(80, host_port=8080, host_address=address),)
            # Whoever held it was killed: what is known of it must tell the two apart.
            let_go(attached(network, box, config, ports=ports))
            assert reaches(box.listen(80), address, 8080)
        with pytest.raises(Conflict, match=r"0\.0\.0\.0:8080.*already allocated") as caught:
            attached(network, place(), config, ports=(Port(80, host_port=8080),))
        assert "a container has 127.0.0." in caught.value.hint

    @needs(PORTS)
    def test_one_winner(self, network: Network, place: Callable[[], Place]) -> None:
        config, boxes = made(network), [place() for _ in range(8)]

        def racer(box: Place) -> Callable[[], object]:
            return lambda: attached(network, box, config, ports=(Port(80, host_port=8080),))

        results = race([racer(box) for box in boxes], Conflict)
        assert sorted(results) == ["", *["Conflict"] * 7], results
        [winner] = [box for box, result in zip(boxes, results, strict=True) if not result]
        assert reaches(winner.listen(80), "127.0.0.1", 8080)

    @needs(PORTS)
    def test_the_end_gives_it_back(self, network: Network, place: Callable[[], Place]) -> None:
        config, container, box = made(network), an_id(), place()
        asked = (Port(80, host_port=8080), Port(81, "udp", host_port=8081))
        got = network.attach(Endpoint(container, config, ports=asked), box.path)
        with box.listen(80):
            let_go(got)
            network.detach(container)
            assert is_refused("127.0.0.1", 8080)
        with listen(8080):
            pass
        let_go(attached(network, place(), config, ports=asked))

    @needs(PORTS)
    def test_a_server_that_has_just_ended_is_not_in_the_way(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        with listen(8080) as server:
            client = socket.create_connection(("127.0.0.1", 8080))
            connection, _ = server.accept()
            connection.close()  # first, so that its side lingers
            client.close()
        let_go(attached(network, place(), made(network), ports=(Port(80, host_port=8080),)))

    @needs(PORTS)
    def test_a_port_that_cannot_be_is_refused(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, box = made(network), place()
        for port in (
            Port(80, "icmp"),
            Port(80, host_address="nowhere"),
            Port(80, host_address="::1"),
        ):
            with pytest.raises(InvalidArgument):
                attached(network, box, config, ports=(port,))
        with pytest.raises(Conflict, match="assign requested address") as refused:
            attached(network, box, config, ports=(Port(80, host_address="192.0.2.77"),))
        assert refused.value.hint.startswith("192.0.2.77 is no address of this machine")
        assert list(network.attached()) == []

    @needs(PORTS)
    def test_a_thousand_connections_at_once(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        box = place()
        got: Attachment = attached(network, box, made(network), ports=(Port(80, host_port=8080),))
        with box.listen(80) as server:
            clients = world.inside(lambda: [_connect() for _ in range(1000)])
            accepted = [server.accept()[0] for _ in clients]
            for number, client in enumerate(clients):
                client.send(number.to_bytes(2, "big"))
            heard = {int.from_bytes(one.recv(2), "big") for one in accepted}
            assert heard == set(range(1000))
        for one in (*clients, *accepted):
            one.close()
        let_go(got)


def _connect() -> socket.socket:
    return socket.create_connection((HOST, 8080), 10)
