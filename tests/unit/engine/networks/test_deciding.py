"""Which networks a container is to be on."""

from __future__ import annotations

import pytest
from plugrun.engine.networks.create import create_network
from plugrun.engine.networks.decide import decide_networks
from plugrun.errors import (
    InvalidArgument,
    NoSuchContainer,
    NoSuchNetwork,
)
from plugrun.model.network import EndpointConfig, NetworkConfig, Port, Subnet

from tests.unit.engine.networks.wire import asks, on


def test_who_names_none_is_on_the_default_network(engine):
    decided = decide_networks(engine, asks())
    (one,) = decided.endpoints
    assert (decided.mode, one.name, one.driver) == ("default", "bridge", "wire")
    assert decide_networks(engine, asks(network="bridge")).mode == "bridge"
    assert decide_networks(engine, asks(network="host")).endpoints == ()


def test_several_networks_with_what_is_asked_of_them(engine):
    create_network(engine, NetworkConfig("", "a", "", subnets=(Subnet("10.7.0.0/16", "10.7.0.1"),)))
    create_network(engine, NetworkConfig("", "b", ""))
    other = on(engine, "a", name="db", id="2" * 64)
    asked = EndpointConfig("a", ipv4="10.7.0.9", aliases=("x",), links=(("web", "db"),))
    decided = decide_networks(engine, asks(asked, EndpointConfig("b")))
    assert decided.mode == "a"
    assert [one.name for one in decided.endpoints] == ["a", "b"]
    assert decided.endpoints[0].links == (("web", other.id),)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asks(network="container:"), "invalid container format container:<name|id>"),
        (asks(network="container:x", hostname="h"), "conflicting options: hostname and the netw"),
        (asks(network="container:x", dns=("1.1.1.1",)), "conflicting options: dns and the network"),
        (asks(network="container:x", extra_hosts=("a:1.1.1.1",)), "custom host-to-IP mapping"),
        (asks(network="container:x", ports=(Port(80),)), "port publishing and the container type"),
        (asks(network="container:x", publish_all=True), "port publishing and the container type"),
        (asks(network="container:x", exposed_ports=("8/tcp",)), "port exposing and the container"),
        (asks(EndpointConfig("container:x", mac="02:42:0a:63:00:99")), "mac-address and the netwo"),
        (asks(EndpointConfig("container:x", links=(("a", "b"),))), "container type network can't"),
        (asks(EndpointConfig("host", links=(("a", "b"),))), "host type networking can't be used"),
        (asks(EndpointConfig("host", ipv4="1.2.3.4")), "user specified IP address is supported on"),
        (asks(EndpointConfig("", ipv4="1.2.3.4")), "user specified IP address is supported on use"),
        (asks(EndpointConfig("", links=(("a", "nope"),))), "could not get container for nope: No "),
        (asks(EndpointConfig("mine", ipv4="banana")), "invalid IPv4 address: banana"),
        (asks(EndpointConfig("mine", ipv6="1.2.3.4")), "invalid IPv6 address: 1.2.3.4"),
        (asks(EndpointConfig("mine", ipv4="11.0.0.1")), "Invalid address 11.0.0.1: It does not be"),
        (asks(EndpointConfig("mine", ipv6="fd00::5")), "only when connecting to networks with use"),
        (asks(EndpointConfig("mine"), EndpointConfig("mine")), '"mine" is specified multiple time'),
    ],
)
def test_what_does_not_fit_together(engine, request_, message):
    create_network(engine, NetworkConfig("", "mine", ""))
    with pytest.raises(InvalidArgument) as raised:
        decide_networks(engine, request_)
    assert message in raised.value.message


def test_networks_and_containers_that_are_not_there(engine):
    with pytest.raises(NoSuchNetwork):
        decide_networks(engine, asks(network="nope"))
    with pytest.raises(NoSuchContainer):
        decide_networks(engine, asks(network="container:nope"))


def test_ports_need_a_backend_that_publishes_them(engine, wire):
    wire.capabilities = frozenset()
    with pytest.raises(InvalidArgument, match="wire publishes no ports"):
        decide_networks(engine, asks(ports=(Port(80),)))


@pytest.mark.parametrize("more", [{"aliases": ("a\nb",)}, {"links": (("a\x1b[1m", "web"),)}])
def test_names_that_would_break_a_line(engine, more):
    create_network(engine, NetworkConfig("", "mine", ""))
    with pytest.raises(InvalidArgument, match="invalid name on a network"):
        decide_networks(engine, asks(EndpointConfig("mine", **more)))
