"""Ports, networks, links and subnets as they stand on a command line. Words are Docker's."""

from __future__ import annotations

import pytest
from plugrun.cli.failure import SaidError
from plugrun.cli.networkvalue import parse_link, parse_mac, parse_network, subnets
from plugrun.cli.portcells import ports_text
from plugrun.cli.portvalue import parse_port, published_ports
from plugrun.errors import InvalidArgument, UsageError
from plugrun.model.network import EndpointConfig, Port, Subnet


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(80)]),
        (":80", [Port(80)]),
        ("8080:80", [Port(80, "tcp", "", 8080)]),
        ("1.2.3.4:8080:80/udp", [Port(80, "udp", "1.2.3.4", 8080)]),
        ("1.2.3.4::80/SCTP", [Port(80, "sctp", "1.2.3.4")]),
        ("[::1]:80:80", [Port(80, "tcp", "::1", 80)]),
        ("::1:80:80", [Port(80, "tcp", "::1", 80)]),
        ("80-81", [Port(80), Port(81)]),
        ("90-91:80-81", [Port(80, "tcp", "", 90), Port(81, "tcp", "", 91)]),
        ("80-90:80", [Port(80, "tcp", "", 80, 90)]),
        ("80-80:80", [Port(80, "tcp", "", 80)]),
        ("0:80", [Port(80)]),
        ("127.0.0.1:0:80-81", [Port(80, "tcp", "127.0.0.1"), Port(81, "tcp", "127.0.0.1")]),
        ("0080:00000080", [Port(80, "tcp", "", 80)]),
        ("80:80/tcp/udp", [Port(80, "tcp", "", 80)]),
        ("published=8080,target=80,protocol=udp", [Port(80, "udp", "", 8080)]),
        ("target=80", [Port(80)]),
    ],
)
def test_a_port(text, ports):
    assert parse_port(text) == ports


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "invalid containerPort: foo"),
        ("99999", "invalid containerPort: 99999"),
        ("0", "invalid containerPort: 0"),
        ("80-70", "invalid containerPort: 80-70"),
        ("-5", "invalid containerPort: -5"),
        ("a:80", "invalid hostPort: a"),
        ("9" * 5000 + ":80", "invalid hostPort: " + "9" * 5000),
        ("80:", "no port specified: 80:<empty>"),
        ("", "no port specified: <empty>"),
        ("8080:80:90", "invalid IP address: 8080"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("80/foo", "invalid proto: foo"),
        (
            "1.2.3.4:80-81:90-92",
            "invalid ranges specified for container and host Ports: 90-92 and 80-81",
        ),
        (
            "published=80,x",
            "invalid publish opts format (should be name=value but got 'x')",
        ),
    ],
)
def test_what_is_no_port(text, message):
    with pytest.raises(UsageError) as raised:
        parse_port(text)
    assert raised.value.message == message


def test_the_same_port_twice_is_one():
    assert published_ports(["80:80", "80:80/tcp", "81:80"]) == (
        Port(80, "tcp", "", 80),
        Port(80, "tcp", "", 81),
    )


def test_a_networks_long_form():
    text = "name=n,alias=a,alias=b,ip=1.2.3.4,ip6=::5,mac-address=02-42-0A-63-00-99"
    assert parse_network(text) == EndpointConfig(
        "n",
        ipv4="1.2.3.4",
        ipv6="::5",
        mac="02:42:0a:63:00:99",
        aliases=("a", "b"),
    )
    assert parse_network("n") == EndpointConfig("n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name=n,foo=a", "invalid field key foo"),
        ("name=n,ip", "invalid field ip"),
        ("alias=a", "network name/id is not specified"),
        ("name=n,mac-address=x", "x is not a valid mac address"),
        ("name=n,gw-priority=1", "gw-priority is not supported"),
        ("name=n,driver-opt=a=b", "driver-opt is not supported"),
    ],
)
def test_what_is_no_network(text, message):
    with pytest.raises(InvalidArgument) as raised:
        parse_network(text)
    assert raised.value.message == message


def test_links():
    assert parse_link("db") == ("db", "db")
    assert parse_link("/db:web") == ("web", "db")
    for text in ("a:b:c", ":x"):
        with pytest.raises(InvalidArgument, match=f"bad format for links: {text}"):
            parse_link(text)
    for text in ("banana", "02:42:0a:63:00", "02:42:0a:63:00:zz"):
        with pytest.raises(InvalidArgument):
            parse_mac(text)


def test_subnets_get_what_lies_in_them():
    given = subnets(
        ("10.1.0.0/16", "fd00::/64"), ("10.1.2.0/24",), ("fd00::1", "10.1.0.7"), ("a=10.1.0.9",)
    )
    assert given == (
        Subnet("10.1.0.0/16", "10.1.0.7", "10.1.2.0/24", (("a", "10.1.0.9"),)),
        Subnet("fd00::/64", "fd00::1"),
    )
    assert subnets((), (), (), ()) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (((), (), ("::1",), ()), "every ip-range or gateway must have a corresponding subnet"),
        ((("10.99.0.5/24",), (), ("10.98.0.1",), ()), "no matching subnet for gateway 10.98.0.1"),
        ((("10.98.0.0/24",), (), ("foo",), ()), "no matching subnet for gateway foo"),
        ((("banana",), (), (), ()), "Invalid subnet banana : invalid CIDR address: banana"),
        (
            (("10.98.0.0/24", "10.98.0.0/25"), (), (), ()),
            "multiple overlapping subnet configuration is not supported",
        ),
        ((("10.98.0.0/24",), ("10.9.0.0/25",), (), ()), "no matching subnet for range 10.9.0.0/25"),
        ((("10.98.0.0/24",), ("10.9.0.0/16",), (), ()), "no matching subnet for range 10.9.0.0/16"),
        ((("10.98.0.0/24",), (), (), ("foo",)), "no matching subnet for aux-address "),
        (
            (("10.98.0.0/24",), (), (), ("foo=10.1.1.1",)),
            "no matching subnet for aux-address 10.1.1.1",
        ),
    ],
)  # fmt: skip
def test_what_are_no_subnets(given, message):
    with pytest.raises((SaidError, InvalidArgument)) as raised:
        subnets(*given)
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("bare", "published", "text"),
    [
        ([], [], ""),
        ([(80, "tcp")], [], "80/tcp"),
        ([(70, "tcp"), (71, "tcp"), (73, "tcp")], [], "70-71/tcp, 73/tcp"),
        (
            [(99, "tcp")],
            [Port(53, "udp", "127.0.0.1", 32768), Port(80, "tcp", "0.0.0.0", 8081)],
            "99/tcp, 127.0.0.1:32768->53/udp, 0.0.0.0:8081->80/tcp",
        ),
        (
            [],
            [Port(n, "tcp", a, n) for a in ("0.0.0.0", "::") for n in (80, 81)],
            "0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp",
        ),
    ],
)
def test_the_ports_column(bare, published, text):
    assert ports_text(bare, published) == text
