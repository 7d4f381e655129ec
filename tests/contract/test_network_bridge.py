"""The bridge keeps the contract of networks, mends what others break, and disturbs nobody."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from ipaddress import ip_network

import plugrun_network_bridge as own
import pytest
from plugrun import api
from plugrun.api import (
    AlreadyExists,
    Conflict,
    Endpoint,
    InvalidArgument,
    NetworkConfig,
    Port,
    Subnet,
)
from plugrun.testing.network import NetworkSuite as Contract
from plugrun.testing.network.fixtures import (
    HOST,
    WORLD,
    NetworkFixtures,
    address_of,
    an_id,
    attached,
    let_go,
    made,
)
from plugrun.testing.network.names import NOERROR, A, asked_for
from plugrun.testing.network.place import is_refused, reaches, run
from plugrun_network_bridge import detaching, links
from plugrun_network_bridge.plugin import plugrun_open_network, plugrun_options

from tests.e2e.test_hot_path import FORBIDDEN


class TestBridge(Contract):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {})

    def test_options(self):
        [option] = plugrun_options()
        assert option.choices == ("", "nftables", "iptables")


class TestBridgeByIptables(Contract):
    """The same by the rules of kernels without nf_tables."""

    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {"firewall": "iptables"})


class Opened(NetworkFixtures):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path / "state"), {})

    @pytest.fixture
    def other(self, tmp_path):
        return plugrun_open_network(str(tmp_path / "other"), {})


class TestMending(Opened):
    """What somebody took away is made again at the next attachment, and that is said."""

    @pytest.mark.parametrize(
        ("broken", "words"),
        [
            ("ip link delete {bridge}", "bridge {bridge} was gone"),
            ("ip link set {bridge} down", "bridge {bridge} was down"),
            ("nft flush ruleset", "rules of the table inet plugrun-"),
            ("nft flush chain inet {table} postrouting", "rules of the table inet plugrun-"),
            ("nft delete element inet {table} bridges {{ {bridge} }}", "rules of the table inet"),
        ],
    )
    def test_what_somebody_broke(self, network, place, world, broken, words):
        config, first, second = made(network), place(), place()
        ports = (Port(80, host_port=8080),)
        held = attached(network, first, config, ports=ports)
        names = {"bridge": f"pr-{config.id[:12]}", "table": _table()}
        run(broken.format(**names))
        got = attached(network, second, config)
        [warning] = got.warnings
        assert words.format(**names) in warning
        assert first.reaches(second.listen(81), address_of(got), 81)
        assert first.reaches(world.listen(82), WORLD, 82)
        assert world.reaches(first.listen(80), HOST, 8080)
        assert attached(network, place(), config).warnings == ()
        let_go(held)

    def test_what_somebody_broke_is_found_and_mended_without_an_attachment(
        self, network, place, world
    ):
        config, first = made(network), place()
        held = attached(network, first, config, ports=(Port(80, host_port=8080),))
        bridge, table = f"pr-{config.id[:12]}", _table()
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
            switch.write("0")
        run(f"ip link delete {bridge}", "nft flush ruleset")
        assert network.mend(act=False) == (
            'network "suite": net.ipv4.ip_forward is off',
            f'network "suite": the bridge {bridge} is gone',
            f'network "suite": rules of the table inet {table} are gone',
        )
        assert network.mend() == (
            f'network "suite": the bridge {bridge} was gone: made it again',
            'network "suite": net.ipv4.ip_forward was off: switched it on',
            f'network "suite": rules of the table inet {table} were gone: made them again',
        )
        assert network.mend() == ()
        assert first.reaches(world.listen(82), WORLD, 82)
        assert world.reaches(first.listen(80), HOST, 8080)
        let_go(held)

    def test_what_is_in_the_way_of_one_network_is_said_and_the_others_are_mended(
        self, network, place, tmp_path
    ):
        name = (("com.docker.network.bridge.name", "mine0"),)
        lost, config = made(network, options=name), made(network)
        attached(network, place(), lost)
        attached(network, place(), config)
        run("ip link delete mine0", "ip link add mine0 type bridge")
        run(f"ip link set pr-{config.id[:12]} down")
        in_the_way = 'network "suite" cannot have the interface mine0: there is one'
        bridge = f'network "suite": the bridge pr-{config.id[:12]}'
        assert set(network.mend(act=False)) == {in_the_way, f"{bridge} is down"}
        assert set(network.mend()) == {in_the_way, f"{bridge} was down: switched it on"}
        assert network.overlaps(lost) == ()
        network.remove(lost)
        assert "mine0" in run("ip link")
        assert "mine0" not in run(f"nft list set inet {_table()} bridges")

    def test_forwarding_is_switched_on(self, network, place, world):
        config = made(network)
        attached(network, place(), config)
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as switch:
            switch.write("0")
        box = place()
        [said] = attached(network, box, config).warnings
        assert said == 'network "suite": net.ipv4.ip_forward was off: switched it on'
        assert attached(network, place(), config).warnings == ()
        assert box.reaches(world.listen(80), WORLD, 80)

    def test_the_dns_server_is_started_again(self, network, place, tmp_path):
        config, one, two = made(network), place(), place()
        first = network.attach(Endpoint(an_id(), config, names=("one",)), one.path)
        os.kill(_dns_server(tmp_path / "state"), signal.SIGKILL)
        assert network.mend(act=False) == ("the DNS server for containers is gone",)
        second = network.attach(Endpoint(an_id(), config, names=("two",)), two.path)
        assert "DNS server" in second.warnings[0]
        for box, got in ((one, first), (two, second)):
            assert asked_for(box, got, "one", A) == (NOERROR, [address_of(first)])
            assert asked_for(box, got, "two", A) == (NOERROR, [address_of(second)])

    def test_a_command_that_is_killed_while_it_speaks_to_the_dns_server(
        self, network, place, tmp_path
    ):
        config, box = made(network), place()
        got = attached(network, box, config, names=("one",))
        pid = _dns_server(tmp_path / "state")
        for words in (b"", f"look {config.id}".encode()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
                caller.connect(str(tmp_path / "state" / "dns"))
                if words:
                    caller.send(words)
        for _ in range(3):  # after whatever those two have come to
            assert asked_for(box, got, "one", A) == (NOERROR, [address_of(got)])
        assert _dns_server(tmp_path / "state") == pid

    def test_queries_that_come_at_once_on_one_connection(self, network, place):
        """As glibc asks for both kinds of address; a thousand, and the server still lives."""
        config, box = made(network), place()
        got = attached(network, box, config, names=("one",))
        query = b"\0\x15" + bytes((1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\3one\0\0\1\0\1"
        answered = len(query) + 16
        with box.inside(lambda: socket.create_connection((got.resolvers[0], 53), 10)) as one:
            one.sendall(query * 1000)
            told = one.makefile("rb").read(1000 * answered)
        address = socket.inet_aton(address_of(got))
        assert [told[n - 4 : n] for n in range(answered, len(told) + 1, answered)] == [
            address
        ] * 1000
        assert asked_for(box, got, "one", A) == (NOERROR, [address_of(got)])

    def test_the_dns_server_ends_with_the_last_container(self, network, place, tmp_path):
        config, box, container = made(network), place(), an_id()
        network.attach(Endpoint(container, config, names=("one",)), box.path)
        ended = os.pidfd_open(_dns_server(tmp_path / "state"))
        network.detach(container)
        assert _is_readable(ended)
        os.close(ended)
        assert not (tmp_path / "state" / "dns").exists()
        network.attach(Endpoint(container, config, names=("one",)), box.path)


class TestReboots(Opened):
    """A reboot takes bridges and state; what comes up first may have taken a subnet."""

    @pytest.mark.parametrize(
        ("taken", "words"),
        [
            ("ip address add 10.77.0.9/24 dev vpn", "the address 10.77.0.0/24 (vpn)"),
            ("ip address add 10.77.0.9/32 dev vpn", "the address 10.77.0.9/32 (vpn)"),
            ("ip route add 10.77.0.128/25 dev vpn", "the route 10.77.0.128/25 (vpn)"),
            ("ip route add blackhole 10.77.0.0/24", "the route 10.77.0.0/24"),
            ("ip address add fd77::9/64 dev vpn nodad", "the address fd77::/64 (vpn)"),
        ],
    )
    def test_a_subnet_that_is_somebody_elses_by_now(self, network, place, tmp_path, taken, words):
        config, box = _rebooted(network, tmp_path), place()
        run("ip link add vpn type bridge", "ip link set vpn up", taken)
        with pytest.raises(
            Conflict, match='network "suite" cannot be brought up: its subnet'
        ) as no:
            attached(network, box, config)
        assert words in no.value.message
        assert "--subnet" in no.value.hint
        assert box.interfaces() == {"lo"}
        assert f"pr-{config.id[:12]}" not in run("ip link")
        assert any(words in said for said in network.overlaps(config))
        run("ip link delete vpn", "ip route flush 10.77.0.0/24")
        attached(network, box, config)
        assert network.overlaps(config) == ()

    @pytest.mark.parametrize("kept", [True, False])
    def test_other_subnets_that_nobody_was_told_of(self, network, place, tmp_path, kept):
        """Whoever had it choose again was killed before the choice was written down."""
        config = made(network, subnets=(Subnet("10.77.0.0/24"),))
        network.remove(config)
        network.create(api.replace(config, subnets=(Subnet("10.66.0.0/24"),)))
        if not kept:
            (tmp_path / "state" / "networks" / config.id / "network").unlink()
        box, server = place(), place()
        got = attached(network, box, config)
        assert got.addresses == ("10.77.0.2/24",)
        shown = run("ip address")
        assert "10.77.0.1/24" in shown
        assert "10.66.0.1" not in shown
        assert "10.66" not in run("nft list ruleset")
        attached(network, server, config)
        assert box.reaches(server.listen(80), "10.77.0.3", 80)

    def test_a_route_to_more_than_that_is_said_only(self, network, place, tmp_path, world):
        """The bridge's own goes before it: containers work."""
        config, box = _rebooted(network, tmp_path), place()
        run("ip link add vpn type bridge", "ip link set vpn up", "ip route add 10.0.0.0/8 dev vpn")
        attached(network, box, config)
        assert box.reaches(world.listen(80), WORLD, 80)
        [said] = network.overlaps(config)
        assert said == "its subnet 10.77.0.0/24 overlaps the route 10.0.0.0/8 (vpn)"

    def test_default_routes_are_in_nobodys_way(self, network, place, tmp_path, world):
        config = _rebooted(network, tmp_path)
        run(f"ip route add default via {WORLD}", f"ip route add 0.0.0.0/1 via {WORLD}")
        attached(network, place(), config)
        assert network.overlaps(config) == ()

    def test_a_subnet_of_the_hosts_is_refused_at_once(self, network):
        run("ip link add vpn type bridge", "ip address add 10.77.0.9/24 dev vpn")
        with pytest.raises(Conflict, match="overlaps the address"):
            made(network, subnets=(Subnet("10.77.0.0/24"),))
        assert "pr-" not in run("ip link")


def _rebooted(network, tmp_path):
    config = made(network, subnets=(Subnet("10.77.0.0/24"), Subnet("fd77::/64")))
    run(f"ip link delete pr-{config.id[:12]}")
    shutil.rmtree(tmp_path / "state")
    return config


class TestOthers(Opened):
    """Nobody else is disturbed, and nobody else disturbs."""

    @pytest.mark.parametrize(
        ("wanted", "refusal"),
        [
            ({"options": (("com.docker.network.bridge.name", "lo"),)}, Conflict),
            ({"options": (("com.docker.network.bridge.name", "pr%d"),)}, InvalidArgument),
            ({"options": (("com.docker.network.bridge.name", "a\x01b"),)}, InvalidArgument),
            ({"subnets": (Subnet("224.0.0.0/24"),)}, InvalidArgument),
            ({"subnets": (Subnet("ff00::/64"),)}, InvalidArgument),
        ],
    )
    def test_a_network_that_is_refused_leaves_nothing(self, network, place, wanted, refusal):
        links = set(run("ip -br link").splitlines())
        with pytest.raises(refusal) as raised:
            made(network, **wanted)
        assert "ip link delete" not in raised.value.hint
        assert set(run("ip -br link").splitlines()) == links
        config = made(network)
        attached(network, place(), config)
        found = run(f"nft list set inet {_table()} bridges")
        assert [word for word in found.split() if word.startswith('"')] == [
            f'"pr-{config.id[:12]}"'
        ]

    def test_a_network_whose_bridge_is_somebody_elses_by_now(self, network, place):
        name = (("com.docker.network.bridge.name", "mine0"),)
        config = made(network, options=name)
        run("ip link delete mine0", "ip link add mine0 type bridge")
        with pytest.raises(Conflict):
            attached(network, place(), config)
        attached(network, place(), made(network))
        assert "mine0" not in run(f"nft list set inet {_table()} bridges")

    def test_the_last_subnet_that_there_is(self, network, place, world):
        config = made(network, subnets=(Subnet("255.255.255.0/24"),))
        with pytest.raises(Conflict, match="already in use"):
            attached(network, place(), config, ipv4="255.255.255.255")
        with pytest.raises(Conflict, match="already in use"):
            attached(network, place(), config, ipv4="255.255.255.0")
        attached(network, place(), config)
        assert "255.255.255.0" in run(f"nft list set inet {_table()} subnets4")

    def test_rules_of_others_stay(self, network, place):
        run("nft add table inet mine", "nft add chain inet mine c")
        run("iptables -N MINE", "iptables -A MINE -j DROP", "iptables -A FORWARD -i x -j MINE")
        before = run("nft list ruleset")
        config = made(network)
        attached(network, place(), config, ports=())
        network.remove(config)
        assert run("nft list ruleset") == before

    @pytest.mark.parametrize("chain", ["DOCKER-USER", "FORWARD"])
    def test_a_policy_that_drops_all_is_passed(self, network, place, world, chain):
        if chain == "DOCKER-USER":
            run("iptables -N DOCKER-USER", "iptables -A DOCKER-USER -j RETURN")
            run("iptables -A FORWARD -j DOCKER-USER")
        run("iptables -P FORWARD DROP")
        before = run("iptables -S")
        config, other, box = made(network), made(network), place()
        outside, inside = world.listen(82), box.listen(80)
        for _ in range(2):
            got = attached(network, box, config, ports=(Port(80, host_port=8080),))
            assert box.reaches(outside, WORLD, 82)
            assert world.reaches(inside, HOST, 8080)
            let_go(got)
            network.detach(next(network.attached())[0])
        shown = run("iptables -S")
        assert shown.count(f"-A {chain} -") - before.count(f"-A {chain} -") == 2
        address = address_of(attached(network, box, config))
        stranger = place()
        attached(network, stranger, other)
        with box.listen(83):
            assert stranger.inside(lambda: is_refused(address, 83))
        network.remove(config)
        network.remove(other)
        assert run("iptables -S") == before

    def test_two_state_folders_share_nothing(self, network, other, place):
        one, two = made(network), made(other)
        assert one.subnets != two.subnets
        first, second = place(), place()
        attached(network, first, one)
        got = attached(other, second, two)
        with second.listen(80):
            assert first.inside(lambda: is_refused(address_of(got), 80))
        assert network.sweep(frozenset((one.id,))) == ()
        network.remove(one)
        third = place()
        attached(other, third, two)
        with second.listen(81) as server:
            assert third.reaches(server, address_of(got), 81)

    def test_what_is_left_of_a_root_that_is_gone_goes(self, network, other, place, tmp_path):
        idle, used = made(other), made(other)
        container, box = an_id(), place()
        network.attach(Endpoint(an_id(), made(network)), place().path)
        other.attach(Endpoint(container, used), box.path)
        shutil.rmtree(tmp_path / "other")
        made(network)
        assert f"pr-{idle.id[:12]}" in run("ip link")
        assert box.interfaces() == {"lo", "eth0"}
        box.run("ip link delete eth0")
        made(network)
        links = run("ip link")
        assert f"pr-{idle.id[:12]}" not in links
        assert f"pr-{used.id[:12]}" not in links
        assert run("nft list tables").count("plugrun-") == 1

    def test_an_interface_of_anothers_is_refused(self, network, other, place):
        run("ip link add taken0 type bridge")
        asked = (("com.docker.network.bridge.name", "taken0"),)
        with pytest.raises(Conflict, match="cannot have the interface taken0"):
            made(network, options=asked)
        own = (("com.docker.network.bridge.name", "mine0"),)
        config = made(network, options=own)
        with pytest.raises(Conflict, match="mine0"):
            made(other, options=own)
        with pytest.raises(AlreadyExists):
            network.create(NetworkConfig(an_id(), "b", "suite", options=own), (config,))


class TestCost(Opened):
    """A start must not pay for what it does not need."""

    def test_attach_and_detach_load_little(self, network, place, tmp_path):
        box, config = place(), made(network)
        roots = [os.path.dirname(os.path.dirname(module.__file__)) for module in (api, own)]
        words = [*roots, str(tmp_path / "state"), config.id, config.subnets[0].cidr]
        words += [config.subnets[0].gateway, box.path]
        command = [sys.executable, "-I", "-S", "-c", _START, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        loaded = set(done.stdout.split())
        assert "plugrun_network_bridge.attaching" in loaded
        assert loaded & FORBIDDEN == set()

    def test_nothing_keeps_the_namespace_of_a_container_that_ends_at_once(
        self, network, place, monkeypatch
    ):
        """Its interface goes with it; removing that would cost as much as a start."""
        removed: list[str] = []

        def delete_link(name: str) -> bytes:
            removed.append(name)
            return links.delete_link(name)

        monkeypatch.setattr(detaching, "delete_link", delete_link)
        box, endpoint = place(), Endpoint(an_id(), made(network))
        network.attach(endpoint, box.path)
        box.close()
        network.detach(endpoint.container_id)
        assert removed == []

    def test_an_interface_in_a_namespace_that_lives_on_is_removed(self, network, place):
        box, endpoint = place(), Endpoint(an_id(), made(network))
        network.attach(endpoint, box.path)
        network.detach(endpoint.container_id)
        assert box.interfaces() == {"lo"}

    def test_the_dns_server_is_small(self, network, place, tmp_path):
        network.attach(Endpoint(an_id(), made(network), names=("one",)), place().path)
        with open(
            f"/proc/{_dns_server(tmp_path / 'state')}/smaps_rollup", encoding="ascii"
        ) as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        assert private < 12 * 1024  # KiB


_START = """
import sys
sys.path[:0] = sys.argv[1:3]
from plugrun.api import Endpoint, NetworkConfig, Port, Subnet
from plugrun_network_bridge.plugin import plugrun_open_network
state, number, cidr, gateway, netns = sys.argv[3:]
network = plugrun_open_network(state, {})
config = NetworkConfig(number, "suite", "suite", subnets=(Subnet(cidr, gateway),))
network.attach(Endpoint("c" * 64, config, ports=(Port(80, host_port=8080),)), netns)
network.detach("c" * 64)
print(*sys.modules)
"""


class TestInterface(Opened):
    """A container's interface is as ip(8) would have made it."""

    @pytest.mark.parametrize(
        ("cidr", "broadcast"),
        [
            ("10.77.0.0/8", "10.255.255.255"),
            ("10.77.4.0/22", "10.77.7.255"),
            ("192.168.77.0/16", "192.168.255.255"),
            ("172.30.9.4/30", "172.30.9.7"),
        ],
    )
    def test_its_ipv4(self, network, place, cidr, broadcast):
        own = str(ip_network(cidr, strict=False))
        box, config = place(), made(network, subnets=(Subnet(own),))
        attachment = attached(network, box, config)
        [shown] = json.loads(box.run("ip -json -4 address show dev eth0"))
        assert {"BROADCAST", "MULTICAST", "UP"} <= set(shown["flags"])
        [found] = shown["addr_info"]
        assert [f"{found['local']}/{found['prefixlen']}"] == list(attachment.addresses)
        assert found["broadcast"] == broadcast
        [subnet] = json.loads(box.run("ip -json route show scope link"))
        assert subnet["dst"] == own
        [way] = json.loads(box.run("ip -json route show default"))
        assert (way["gateway"], way["dev"]) == (config.subnets[0].gateway, "eth0")


class TestOptions(Opened):
    """Docker's options of its bridge driver."""

    def test_mtu(self, network, place):
        config, box = made(network, options=(("com.docker.network.driver.mtu", "1280"),)), place()
        attached(network, box, config)
        assert "mtu 1280" in box.run("ip link show eth0")

    def test_containers_kept_apart(self, network, place):
        options = (("com.docker.network.bridge.enable_icc", "false"),)
        config, one, other = made(network, options=options), place(), place()
        attached(network, one, config)
        got = attached(network, other, config)
        with other.listen(80) as server:
            assert one.inside(lambda: is_refused(address_of(got), 80))
            assert reaches(server, address_of(got), 80)

    def test_usual_address_of_ports(self, network, place):
        options = (("com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"),)
        ports = (Port(80, host_port=8080),)
        got = attached(network, place(), made(network, options=options), ports=ports)
        assert got.ports == (Port(80, "tcp", "127.0.0.1", 8080),)
        let_go(got)

    def test_without_masquerading(self, network, place, world):
        options = (("com.docker.network.bridge.enable_ip_masquerade", "false"),)
        config = made(network, options=options, subnets=(Subnet("10.77.0.0/24"),))
        box = place()
        attached(network, box, config)
        world.run(f"ip route add 10.77.0.0/24 via {HOST}")
        server = world.listen(80)
        with box.inside(lambda: _connect(WORLD)):
            connection, sender = server.accept()
            connection.close()
        assert sender[0].endswith("10.77.0.2")


def _table():
    [line] = [line for line in run("nft list tables").splitlines() if "plugrun-" in line]
    return line.split()[-1]


def _connect(address):
    return socket.create_connection((address, 80), 5)


def _dns_server(state):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as words:
                if words.read().split(b"\0")[-2:-1] == [str(state).encode()]:
                    return int(pid)
        except OSError:
            continue
    raise AssertionError("there is no DNS server")


def _is_readable(pidfd):
    import select

    return bool(select.select([pidfd], [], [], 10)[0])
