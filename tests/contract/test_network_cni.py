"""CNI's own plugins keep the contract of networks."""

from __future__ import annotations

import json

import pytest
from plugrun.api import (
    CONNECT,
    OUTBOUND,
    PORTS,
    ConfigError,
    Endpoint,
    InvalidArgument,
    NoAddress,
    PlugrunError,
    Port,
    Subnet,
)
from plugrun.testing.network import NetworkSuite as Contract
from plugrun.testing.network.fixtures import NetworkFixtures, address_of, an_id, attached, made
from plugrun.testing.network.place import listen, rules, run
from plugrun_network_cni.plugin import plugrun_open_network, plugrun_options


def left_alone(network):
    """Give a network to a test; namespaces that it still holds by mounts are let go after it."""
    yield network
    for container, joined in list(network.attached()):
        network.detach(container, joined)


class TestCni(Contract):
    capabilities = frozenset((OUTBOUND, CONNECT))

    @pytest.fixture
    def network(self, tmp_path):
        yield from left_alone(plugrun_open_network(str(tmp_path / "state"), {}))


class TestPortmap(Contract):
    """A conflist with a plugin that publishes ports."""

    capabilities = frozenset((OUTBOUND, CONNECT, PORTS))
    # The bridge of somebody's own conflist is not for us to remove: nobody says who else uses it.
    test_nothing_stays_on_the_host = test_a_network_that_is_in_use_can_be_removed = None

    @pytest.fixture
    def network(self, tmp_path):
        yield from left_alone(_opened(tmp_path, _published(tmp_path)))

    def test_a_plugin_that_fails_gives_ports_back(self, tmp_path, place):
        tuning = {"type": "tuning", "sysctl": {"net.ipv4.no.such.thing": "1"}}
        network = _opened(tmp_path, [*_published(tmp_path), tuning])
        with pytest.raises(PlugrunError, match="CNI plugin tuning: "):
            attached(network, place(), made(network), ports=(Port(80, host_port=8080),))
        assert "8080" not in rules()
        listen(8080).close()


class TestOwnBridge(NetworkFixtures):
    """The bridge of whoever has no conflist goes with the last container."""

    @pytest.fixture
    def network(self, tmp_path):
        yield from left_alone(plugrun_open_network(str(tmp_path / "state"), {}))

    def test_it_goes_with_the_last_container(self, network, place):
        config, one, two = made(network), an_id(), an_id()
        for container in (one, two):
            network.attach(Endpoint(container, config), place().path)
        network.detach(one)
        assert "cni-" in run("ip link")
        network.detach(two)
        assert "cni-" not in run("ip link")
        assert network.sweep(frozenset()) == ()

    def test_its_next_subnet_is_one_that_is_free(self, network, place):
        config, container = made(network), an_id()
        first = network.attach(Endpoint(container, config), place().path)
        network.detach(container)
        run("ip link add vpn type bridge", f"ip address add {first.addresses[0]} dev vpn")
        run("ip link set vpn up")
        assert address_of(attached(network, place(), config)) == "10.89.0.2"

    def test_a_kill_between_its_end_and_the_choice_of_the_next(self, network, place, tmp_path):
        config, container = made(network), an_id()
        first = network.attach(Endpoint(container, config), place().path)
        kept = (tmp_path / "state" / "conflist").read_bytes()
        network.detach(container)
        (tmp_path / "state" / "conflist").write_bytes(kept)
        run("ip link add vpn type bridge", f"ip address add {first.addresses[0]} dev vpn")
        run("ip link set vpn up")
        assert address_of(attached(network, place(), config)) == "10.89.0.2"

    def test_one_that_a_kill_left_is_swept(self, network, place, tmp_path):
        config = made(network)
        container = an_id()
        network.attach(Endpoint(container, config), place().path)
        (tmp_path / "state" / "attachments" / f"{container}-{config.id}").unlink()
        said = network.sweep(frozenset(), remove=False)
        assert any(one.startswith("bridge cni-") for one in said)
        assert network.sweep(frozenset()) == said
        assert "cni-" not in run("ip link")
        assert network.sweep(frozenset(), remove=False) == ()


class TestConflists(NetworkFixtures):
    """Conflists of the user's own."""

    @pytest.fixture
    def network(self, tmp_path):
        yield from left_alone(_opened(tmp_path, _ptp(tmp_path, "10.99.0.0/30")))

    def test_any_plugin_serves(self, network, place):
        box = place()
        got = attached(network, box, made(network))
        assert got.addresses == ("10.99.0.2/30",)
        assert got.gateways == ("10.99.0.1",)
        assert got.mac in box.run("ip link show eth0")

    def test_a_full_subnet_is_no_address(self, network, place):
        config, other = made(network), place()
        attached(network, place(), config)
        with pytest.raises(NoAddress):
            attached(network, other, config)
        assert other.interfaces() == {"lo"}
        assert len(list(network.attached())) == 1
        network.detach(next(network.attached())[0])
        assert address_of(attached(network, place(), config)) == "10.99.0.2"

    def test_all_plugins_of_a_list(self, tmp_path, place):
        tuning = {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.forwarding": "1"}}
        network = _opened(tmp_path, [*_ptp(tmp_path, "10.99.0.0/24"), tuning])
        box, container = place(), an_id()
        network.attach(Endpoint(container, made(network)), box.path)
        assert box.run("cat /proc/sys/net/ipv4/conf/eth0/forwarding") == "1\n"
        network.detach(container)

    def test_a_plugin_that_fails_undoes_those_before_it(self, tmp_path, place):
        tuning = {"type": "tuning", "sysctl": {"net.ipv4.no.such.thing": "1"}}
        network = _opened(tmp_path, [*_ptp(tmp_path, "10.99.0.0/24"), tuning])
        box, before = place(), run("ip link")
        with pytest.raises(PlugrunError, match="CNI plugin tuning: "):
            attached(network, box, made(network))
        assert box.interfaces() == {"lo"}
        assert list(network.attached()) == []
        assert run("ip link") == before

    def test_what_it_cannot_do_is_refused(self, network, place):
        config = made(network)
        for asked in ({"ipv4": "10.99.0.2"}, {"mac": "02:00:00:00:00:01"}):
            with pytest.raises(InvalidArgument, match="chooses addresses itself"):
                network.attach(Endpoint(an_id(), config, **asked), place().path)
        with pytest.raises(InvalidArgument, match="publishes no ports") as refused:
            network.attach(Endpoint(an_id(), config, ports=(Port(80),)), place().path)
        assert "portMappings" in refused.value.hint
        with pytest.raises(InvalidArgument, match="stand in their conflist"):
            made(network, subnets=(Subnet("10.0.0.0/8"),))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "no JSON"),
            ("[]", "`plugins`"),
            ('{"plugins": []}', "`plugins`"),
            ('{"plugins": [{"a": 1}]}', "`type`"),
            ('{"plugins": [{"type": "ptp"}]}', "`name`"),
        ],
    )
    def test_a_conflist_that_is_none(self, tmp_path, text, words):
        (tmp_path / "list").write_text(text)
        network = plugrun_open_network(str(tmp_path), {"conflist": str(tmp_path / "list")})
        assert words in network.probe().reason
        with pytest.raises(ConfigError, match=words):
            network.attach(Endpoint(an_id(), made(network)), "/proc/self/ns/net")

    def test_a_plugin_that_is_missing(self, tmp_path):
        for kind in ("no-such-plugin", "../bridge"):
            probe = _opened(tmp_path, [{"type": kind}]).probe()
            assert not probe.works
            assert "containernetworking-plugins" in probe.remedy

    def test_the_own_bridge_overlaps_no_route(self, tmp_path, place):
        run("ip link add vpn type bridge", "ip address add 10.88.3.1/24 dev vpn")
        run("ip link set vpn up")
        network, container = plugrun_open_network(str(tmp_path), {}), an_id()
        got = network.attach(Endpoint(container, made(network)), place().path)
        assert address_of(got) == "10.89.0.2"
        network.detach(container)


def test_options():
    assert [option.name for option in plugrun_options()] == ["conflist", "plugins"]


def _ptp(tmp_path, subnet):
    ipam = {"type": "host-local", "subnet": subnet, "dataDir": str(tmp_path / "ipam")}
    return [{"type": "ptp", "ipam": ipam}]


def _published(tmp_path):
    ranges = [[{"subnet": "10.99.0.0/24"}]]
    ipam = {"type": "host-local", "ranges": ranges, "dataDir": str(tmp_path / "ipam")}
    ipam["routes"] = [{"dst": "0.0.0.0/0"}]
    bridge = {"type": "bridge", "bridge": "lab0", "isGateway": True, "ipMasq": True}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return [{**bridge, "hairpinMode": True, "ipam": ipam}, portmap]


def _opened(tmp_path, plugins):
    path = tmp_path / "conflist"
    path.write_text(json.dumps({"cniVersion": "0.4.0", "name": "test", "plugins": plugins}))
    return plugrun_open_network(str(tmp_path / "state"), {"conflist": str(path)})
