"""Names of containers."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from plugrun.interfaces.network import CONNECT, NAMES, NETWORKS
from plugrun.model.network import Attachment, Endpoint
from plugrun.testing.network.fixtures import (
    WORLD,
    NetworkFixtures,
    address_of,
    an_id,
    made,
    needs,
)
from plugrun.testing.network.place import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.network import Network
    from plugrun.model.network import NetworkConfig
    from plugrun.testing.network.place import Place

A, PTR, AAAA, HTTPS = 1, 12, 28, 65
NOERROR, FORMERR, SERVFAIL, NXDOMAIN = 0, 1, 2, 3


class NameContract(NetworkFixtures):
    """Containers find each other by name, and the rest of the world by others."""

    @needs(NAMES)
    def test_by_name_alias_and_id(self, network: Network, place: Callable[[], Place]) -> None:
        config = made(network)
        web, asker = _named(network, config, place(), "web", "www", "c0ffee"), place()
        other = _named(network, config, asker, "asker")
        for name in ("web", "WWW", "c0ffee", "web.suite"):
            assert asked_for(asker, other, name) == (NOERROR, [address_of(web)])
        assert asked_for(asker, other, "asker") == (NOERROR, [address_of(other)])

    @needs(NAMES)
    def test_over_tcp(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker = made(network), place()
        web = _named(network, config, place(), "web")
        other = _named(network, config, asker, "asker")
        assert asked_for(asker, other, "web", stream=True) == (NOERROR, [address_of(web)])

    @needs(NAMES)
    def test_back_from_the_address(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker = made(network), place()
        web = address_of(_named(network, config, place(), "web"))
        other = _named(network, config, asker, "asker")
        turned = ".".join(reversed(web.split("."))) + ".in-addr.arpa"
        assert asked_for(asker, other, turned, PTR) == (NOERROR, ["web.suite"])

    @needs(NAMES)
    def test_a_known_name_without_what_is_asked_for_is_no_error(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, asker = made(network), place()
        other = _named(network, config, asker, "asker")
        for kind in (AAAA, HTTPS):
            assert asked_for(asker, other, "asker", kind) == (NOERROR, [])

    @needs(NAMES, NETWORKS)
    def test_ipv6(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker = made(network, ipv6=True), place()
        web = _named(network, config, place(), "web")
        other = _named(network, config, asker, "asker")
        assert asked_for(asker, other, "web", AAAA) == (NOERROR, [address_of(web, v6=True)])

    @needs(NAMES)
    def test_one_alias_of_several(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker = made(network), place()
        all_of = [_named(network, config, place(), f"db{number}", "db") for number in range(3)]
        other = _named(network, config, asker, "asker")
        code, found = asked_for(asker, other, "db")
        assert (code, sorted(found)) == (NOERROR, sorted(map(address_of, all_of)))

    @needs(NAMES)
    def test_what_has_ended_is_not_found(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, asker, box = made(network), place(), place()
        other = _named(network, config, asker, "asker")
        container = an_id()
        network.attach(Endpoint(container, config, names=("web",)), box.path)
        assert asked_for(asker, other, "web")[0] == NOERROR
        box.close()
        network.detach(container)
        assert asked_for(asker, other, "web") == (NXDOMAIN, [])

    @needs(NAMES)
    def test_a_new_name_counts_at_once(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker, box = made(network), place(), place()
        other = _named(network, config, asker, "asker")
        endpoint = Endpoint(an_id(), config, names=("web",))
        address = address_of(network.attach(endpoint, box.path))
        network.rename(Endpoint(endpoint.container_id, config, names=("shop",)))
        assert asked_for(asker, other, "shop") == (NOERROR, [address])
        assert asked_for(asker, other, "web") == (NXDOMAIN, [])

    @needs(NAMES)
    def test_links_are_ones_own(self, network: Network, place: Callable[[], Place]) -> None:
        config, one, two, db = made(network), place(), place(), an_id()
        got = network.attach(Endpoint(db, config, names=("postgres",)), place().path)
        linked = _named(network, config, one, "one", links=(("db", db),))
        other = _named(network, config, two, "two")
        assert asked_for(one, linked, "db") == (NOERROR, [address_of(got)])
        assert asked_for(two, other, "db") == (NXDOMAIN, [])

    @needs(NAMES, NETWORKS, CONNECT)
    def test_only_of_networks_that_one_is_on(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        first, second, asker, container = made(network), made(network), place(), an_id()
        one = _named(network, first, place(), "one")
        two = _named(network, second, place(), "two")
        endpoint = Endpoint(container, first, names=("asker",))
        own = network.attach(endpoint, asker.path)
        assert asked_for(asker, own, "one") == (NOERROR, [address_of(one)])
        assert asked_for(asker, own, "two") == (NXDOMAIN, [])
        more = Endpoint(container, second, interface="eth1", gateway=False, names=("asker",))
        network.attach(more, asker.path)
        assert asked_for(asker, own, "two") == (NOERROR, [address_of(two)])
        network.detach(container, first.id)
        assert asked_for(asker, own, "two") == (NOERROR, [address_of(two)])
        assert asked_for(asker, own, "one") == (NXDOMAIN, [])

    @needs(NAMES)
    def test_the_rest_is_forwarded(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, asker = made(network), place()
        # The first one does not answer.
        own = _named(network, config, asker, "asker", resolvers=("127.0.0.1", WORLD))
        server = world.receive(53)
        with asker.inside(lambda: _send(own, _query("example.org"))) as client:
            query, sender = server.recvfrom(512)
            assert query[12:] == _query("example.org")[12:]
            for forged in (_reply(query, "192.0.2.9", number=b"\0\0"), query, b"", b"\xff" * 30):
                server.sendto(forged, sender)
            server.sendto(_reply(query, "192.0.2.7"), sender)
            answer = client.recv(512)
            assert answer[:2] == _query("example.org")[:2]
            assert _parsed(answer) == (NOERROR, ["192.0.2.7"])

    @needs(NAMES)
    def test_the_rest_is_forwarded_over_tcp(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, asker = made(network), place()
        own = _named(network, config, asker, "asker", resolvers=(WORLD,))
        server = world.listen(53)
        with asker.inside(lambda: _connect(own)) as client:
            client.sendall(_framed(_query("example.org")))
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                query = connection.recv(512)[2:]
                many = _reply(query, *[f"192.0.2.{number}" for number in range(200)])
                connection.sendall(_framed(many))
                assert len(_parsed(_read(client))[1]) == 200

    @needs(NAMES, NETWORKS)
    def test_an_internal_network_forwards_nothing(
        self, network: Network, place: Callable[[], Place], world: Place
    ) -> None:
        config, asker = made(network, internal=True), place()
        own = _named(network, config, asker, "asker", resolvers=(WORLD,))
        server = world.receive(53)
        assert asked_for(asker, own, "example.org") == (NXDOMAIN, [])
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.recv(512)

    @needs(NAMES)
    def test_hostile_questions(self, network: Network, place: Callable[[], Place]) -> None:
        config, asker = made(network), place()
        own = _named(network, config, asker, "asker")
        head = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
        hostile = (
            head + b"\xc0\x0c\0\1\0\1",  # a name that points to itself
            head + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
            head + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
            head + b"\5ask",
            head,
            struct.pack(">HHHHHH", 7, 0x100, 9, 0, 0, 0) + b"\0\0\1\0\1",
        )
        with asker.inside(lambda: _send(own, b"")) as client:
            for query in (*hostile, b"", b"\0" * 11, _reply(_query("a"), "192.0.2.1")):
                client.send(query)
            for _ in hostile:
                assert _parsed(client.recv(512))[0] == FORMERR
            client.send(_query("asker"))
            assert _parsed(client.recv(512)) == (NOERROR, [address_of(own)])
        with asker.inside(lambda: _connect(own)) as stream:
            stream.sendall(b"\xff\xff" + os.urandom(9))
            stream.sendall(os.urandom(70000))
        assert asked_for(asker, own, "asker")[0] == NOERROR

    @needs(NAMES)
    def test_a_container_can_have_port_53_itself(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        config, asker = made(network), place()
        own = _named(network, config, asker, "asker")
        asker.receive(53, "0.0.0.0")  # noqa: S104
        asker.listen(53, "0.0.0.0")  # noqa: S104
        assert asked_for(asker, own, "asker") == (NOERROR, [address_of(own)])

    @needs(NAMES)
    def test_without_names_there_is_no_resolver(
        self, network: Network, place: Callable[[], Place]
    ) -> None:
        assert network.attach(Endpoint(an_id(), made(network)), place().path).resolvers == ()


def _named(
    network: Network, config: NetworkConfig, place: Place, *names: str, **fields: object
) -> Attachment:
    endpoint = Endpoint(an_id(), config, names=names, **fields)  # type: ignore[arg-type]
    return network.attach(endpoint, place.path)


def asked_for(
    place: Place, attachment: Attachment, name: str, kind: int = A, *, stream: bool = False
) -> tuple[int, list[str]]:
    """Ask for a name in a container; return the code and the data of the answer."""
    query = _query(name, kind)
    if not stream:
        with place.inside(lambda: _send(attachment, query)) as client:
            return _parsed(client.recv(512))
    with place.inside(lambda: _connect(attachment)) as client:
        client.sendall(_framed(query))
        return _parsed(_read(client))


def _send(attachment: Attachment, query: bytes) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.connect((attachment.resolvers[0], 53))
    client.send(query)
    return client


def _connect(attachment: Attachment) -> socket.socket:
    return socket.create_connection((attachment.resolvers[0], 53), PATIENCE)


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def _read(client: socket.socket) -> bytes:
    data = client.recv(2, socket.MSG_WAITALL)
    return client.recv(int.from_bytes(data, "big"), socket.MSG_WAITALL)


def _query(name: str, kind: int = A) -> bytes:
    labels = b"".join(bytes((len(one),)) + one.encode() for one in name.split("."))
    return (
        struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)
    )


def _reply(query: bytes, *addresses: str, number: bytes = b"") -> bytes:
    head = (number or query[:2]) + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
    start = struct.pack(">HHHIH", 0xC00C, A, 1, 60, 4)
    return head + query[12:] + b"".join(start + socket.inet_aton(one) for one in addresses)


def _parsed(message: bytes) -> tuple[int, list[str]]:
    """Return the code and the data of an answer, whose names all point to the question's."""
    _, flags, questions, answers, _, _ = struct.unpack_from(">HHHHHH", message)
    assert flags & 0x8000
    offset, found = 12, []
    if questions:
        offset = message.index(b"\0", 12) + 5
    for _ in range(answers):
        _, kind, _, _, size = struct.unpack_from(">HHHIH", message, offset)
        data = message[offset + 12 : offset + 12 + size]
        found.append(_shown(kind, data))
        offset += 12 + size
    return flags & 0xF, found


def _shown(kind: int, data: bytes) -> str:
    if kind == PTR:
        labels = []
        while data[0]:
            labels.append(data[1 : 1 + data[0]].decode())
            data = data[1 + data[0] :]
        return ".".join(labels)
    return socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, data)
