"""Bridges where the kernel has no nf_tables: by iptables, which is said, chosen once, and swept."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import struct

import pytest
from plugrun.api import BackendUnavailable, Endpoint, Port, filesystem
from plugrun.testing.forked import in_child
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
from plugrun.testing.network.place import is_refused, rules, run
from plugrun_network_bridge import firewall, iptrules, netlink, nftrules, otherfirewalls
from plugrun_network_bridge.plugin import plugrun_open_network

_NETLINK_NETFILTER = 12
_SOCKET = {"x86_64": 41, "aarch64": 198}  # the system call's number
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_RET_ERRNO, _RET_ALLOW = 0x50000, 0x7FFF0000
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K


def without_nf_tables():
    """Have every program started from here on find a kernel without NETLINK_NETFILTER."""
    steps = (
        (_LOAD, 0, 0, 0),  # the number of the call
        (_IF_EQUAL, 0, 3, _SOCKET[platform.machine()]),
        (_LOAD, 0, 0, 32),  # its third argument
        (_IF_EQUAL, 0, 1, _NETLINK_NETFILTER),
        (_RETURN, 0, 0, _RET_ERRNO | errno.EPROTONOSUPPORT),
        (_RETURN, 0, 0, _RET_ALLOW),
    )
    code = ctypes.create_string_buffer(b"".join([struct.pack("=HBBI", *step) for step in steps]))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0) == 0


def lacking(act):
    """Return what a function returns where the kernel has no nf_tables."""

    def work():
        without_nf_tables()
        return act()

    return in_child(work)


class _Refusing(netlink.Netlink):
    """A socket whose messages a test has refused."""


class Opened(NetworkFixtures):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path / "state"), {})

    @pytest.fixture
    def forced(self, tmp_path):
        return plugrun_open_network(str(tmp_path / "state"), {"firewall": "iptables"})


class TestWithoutNfTables(Opened):
    def test_iptables_makes_the_rules_and_that_is_said_once(self, network, place, world):
        config, one, two = made(network), place(), place()
        got = lacking(lambda: attached(network, one, config))
        [said] = got.warnings
        assert said.startswith("nf_tables does not work here: Protocol not supported: ")
        assert said.endswith("the rules are made by iptables-legacy")
        assert lacking(lambda: attached(network, two, config)).warnings == ()
        assert one.reaches(world.listen(80), WORLD, 80)
        # What was chosen stays: no packet is to meet the rules of both.
        got = attached(network, place(), config, ports=(Port(80, host_port=8080),))
        let_go(got)
        assert got.warnings == ()
        shown = rules()
        assert "table inet plugrun-" not in shown
        assert "--dport 8080 -j DNAT" in shown

    def test_a_kernel_whose_netfilter_knows_no_tables(self, network, place, monkeypatch):
        """It has the socket, for connection tracking, and refuses each message."""

        def refuse(*_):
            raise netlink.NetlinkError(errno.EINVAL, "Invalid argument")

        config = made(network)
        for verb in ("ask", "dump", "batch"):
            monkeypatch.setattr(_Refusing, verb, refuse, raising=False)
        monkeypatch.setattr(nftrules, "Netlink", _Refusing)
        [said] = attached(network, place(), config).warnings
        assert said.startswith("nf_tables does not work here: Invalid argument: ")

    def test_the_end_of_all_networks_is_the_end_of_the_choice(self, network, place, tmp_path):
        before, config = rules(), made(network)
        lacking(lambda: attached(network, place(), config))
        lacking(lambda: network.remove(config))
        assert "PLUGRUN" not in rules()
        assert not (tmp_path / "state" / "firewall").exists()
        config = made(network)
        attached(network, place(), config)
        assert "PLUGRUN" not in rules()
        network.remove(config)
        assert rules().startswith(before)

    def test_networks_come_and_go_though_nobody_was_on_them(self, network):
        config = lacking(lambda: made(network))
        lacking(lambda: network.remove(config))
        assert f"pr-{config.id[:12]}" not in run("ip link")

    def test_the_probe_tells(self, network, forced):
        works = lacking(network.probe)
        assert works.works
        [(_, told)] = works.details
        assert told.startswith("iptables-legacy: nf_tables does not work here")
        assert network.probe().details == (("packet filter", "nf_tables"),)
        assert lacking(forced.probe).details == (("packet filter", "iptables-legacy"),)

    def test_without_iptables_either_the_error_says_what_to_do(
        self, network, place, monkeypatch, tmp_path
    ):
        config, box = made(network), place()
        for module in (firewall, iptrules):
            monkeypatch.setattr(module, "find_programs", lambda **_: None)
        refusal, probe = lacking(lambda: (_refused(network, box, config), network.probe()))
        assert "nf_tables does not work here: Protocol not supported, and there is no" in refusal
        assert "modprobe" in refusal
        assert "apt install iptables" in refusal
        assert (probe.works, "there is no iptables" in probe.reason) == (False, True)
        assert box.interfaces() == {"lo"}
        assert list(network.attached()) == []
        only = plugrun_open_network(str(tmp_path / "only"), {"firewall": "iptables"})
        assert "there is no iptables" in _refused(only, box, made(only))

    def test_nf_tables_alone_are_wanted(self, place, tmp_path):
        only = plugrun_open_network(str(tmp_path / "only"), {"firewall": "nftables"})
        config, box = made(only), place()
        assert "modprobe" in lacking(lambda: _refused(only, box, config))
        assert "PLUGRUN" not in rules()


class TestMending(Opened):
    @pytest.mark.parametrize(
        "broken",
        [
            "-t nat -F {head}SNAT",
            "-t nat -F {head}DNAT",
            "-D FORWARD -j {head}FWD",
            "-t nat -D POSTROUTING -j {head}SNAT",
            "-t raw -F",
        ],
    )
    def test_what_somebody_broke(self, forced, place, world, broken):
        config, first = made(forced), place()
        held = attached(forced, first, config, ports=(Port(80, host_port=8080),))
        run(f"iptables-legacy {broken.format(head=_head())}")
        got = attached(forced, place(), config)
        [warning] = got.warnings
        assert "rules of the chains PLUGRUN-" in warning
        assert first.reaches(world.listen(82), WORLD, 82)
        assert world.reaches(first.listen(80), HOST, 8080)
        assert attached(forced, place(), config).warnings == ()
        let_go(held)

    def test_a_profile_that_chooses_otherwise(self, network, forced, place, world, tmp_path):
        """Containers that run do not notice, and no rule is left of what was before."""
        config, first = made(network), place()
        held = attached(network, first, config, ports=(Port(80, host_port=8080),))
        attached(forced, place(), config)
        assert "table inet plugrun-" not in rules()
        server = first.listen(80)
        assert world.reaches(server, HOST, 8080)
        back = plugrun_open_network(str(tmp_path / "state"), {"firewall": "nftables"})
        attached(back, place(), config)
        assert "PLUGRUN" not in rules()
        assert world.reaches(server, HOST, 8080)
        let_go(held)

    def test_a_change_over_is_no_loss(self, network, forced, place):
        config = made(network)
        attached(network, place(), config)
        assert attached(forced, place(), config).warnings == ()

    def test_a_choice_that_cannot_be_followed_changes_nothing(
        self, network, forced, place, world, monkeypatch
    ):
        config, first = made(network), place()
        held = attached(network, first, config, ports=(Port(80, host_port=8080),))
        with monkeypatch.context() as patch:
            for module in (firewall, iptrules):
                patch.setattr(module, "find_programs", lambda **_: None)
            assert "there is no iptables" in _refused(forced, place(), config)
        assert "PLUGRUN" not in rules()
        assert world.reaches(first.listen(80), HOST, 8080)
        assert attached(network, place(), config).warnings == ()
        let_go(held)

    @pytest.mark.parametrize(
        ("owner", "verb"), [(filesystem, "write_whole"), (nftrules.NftRules, "remove")]
    )
    def test_killed_on_the_way(self, network, forced, place, monkeypatch, owner, verb):
        config = made(network)
        attached(network, place(), config)

        def killed():
            monkeypatch.setattr(owner, verb, lambda *_: os._exit(9))
            forced.attach(Endpoint(an_id(), config), place().path)

        assert _code_of(killed) == 9
        attached(forced, place(), config)
        assert "table inet plugrun-" not in rules()
        forced.remove(config)
        assert "PLUGRUN" not in rules()


class TestOthers(Opened):
    def test_a_firewall_that_is_made_anew_meanwhile(self, network, place, monkeypatch):
        """A chain that goes while a rule is added says nothing of the kernel."""
        config, insert, gone = made(network), otherfirewalls._insert, []
        hook = "{ type filter hook forward priority 0; policy drop; }"
        run("nft add table ip filter", f"nft add chain ip filter FORWARD {hook}")
        run("nft add chain ip filter DOCKER-USER")

        def late(*words):
            if not gone:
                gone.append(run("nft delete chain ip filter DOCKER-USER"))
            insert(*words)

        monkeypatch.setattr(otherfirewalls, "_insert", late)
        assert attached(network, place(), config).warnings == ()
        assert gone
        assert f'iifname "pr-{config.id[:12]}"' in run("nft list chain ip filter FORWARD")
        monkeypatch.setattr(otherfirewalls, "_insert", _chain_is_gone)
        run("nft flush chain ip filter FORWARD")
        assert "other firewalls" in _refused(network, place(), config)
        assert "table inet plugrun-" in rules()
        assert "PLUGRUN" not in rules()

    def test_what_others_were_told_before_goes_too(self, network, forced, place):
        config = made(network)
        hook = "{ type filter hook forward priority 0; policy drop; }"
        run("nft add table ip filter", f"nft add chain ip filter FORWARD {hook}")
        attached(network, place(), config)
        attached(forced, place(), config)
        assert config.id[:12] in run("nft list chain ip filter FORWARD")
        forced.remove(config)
        assert config.id[:12] not in run("nft list chain ip filter FORWARD")

    def test_rules_of_others_stay(self, forced, place):
        run("iptables-legacy -N MINE", "iptables-legacy -A MINE -j DROP")
        run("iptables-legacy -A FORWARD -i x -j MINE", "iptables-legacy -t nat -S")
        run("iptables-legacy -t raw -S")
        before = rules()
        config = made(forced)
        let_go(attached(forced, place(), config, ports=(Port(80, host_port=8080),)))
        assert "-A FORWARD -i x -j MINE" in rules()
        forced.remove(config)
        assert rules() == before

    def test_a_policy_that_drops_all_is_passed(self, forced, place, world):
        run("iptables-legacy -P FORWARD DROP")
        config, box = made(forced), place()
        got = attached(forced, box, config, ports=(Port(80, host_port=8080),))
        assert box.reaches(world.listen(82), WORLD, 82)
        assert world.reaches(box.listen(80), HOST, 8080)
        let_go(got)

    def test_two_state_folders_are_fenced_off(self, forced, place, tmp_path):
        other = plugrun_open_network(str(tmp_path / "other"), {"firewall": "iptables"})
        one, two, boxes = made(forced), made(other), (place(), place())
        first = address_of(attached(forced, boxes[0], one))
        second = address_of(attached(other, boxes[1], two))
        with boxes[0].listen(80), boxes[1].listen(80):
            assert boxes[0].inside(lambda: is_refused(second, 80))
            assert boxes[1].inside(lambda: is_refused(first, 80))

    def test_what_a_crash_left_is_swept(self, forced, place, tmp_path):
        config = made(forced)
        forced.attach(Endpoint(an_id(), config), place().path)
        shutil.rmtree(tmp_path / "state" / "networks")
        [said] = [one for one in forced.sweep(frozenset(), remove=False) if "chains" in one]
        assert said.startswith("the chains PLUGRUN-")
        assert said.endswith(" of no network")
        forced.sweep(frozenset())
        assert "PLUGRUN" not in rules()
        assert forced.sweep(frozenset(), remove=False) == ()

    def test_what_is_left_of_a_root_that_is_gone_goes(self, network, place, tmp_path):
        other = plugrun_open_network(str(tmp_path / "other"), {"firewall": "iptables"})
        box = place()
        attached(other, box, made(other))
        box.run("ip link delete eth0")
        shutil.rmtree(tmp_path / "other")
        made(network)
        assert "PLUGRUN" not in rules()


def _chain_is_gone(*_):
    raise netlink.NetlinkError(errno.ENOENT, "No such file or directory")


def _code_of(act):
    """Return the exit code of a child that is to end in the middle of a function."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _refused(network, box, config):
    try:
        attached(network, box, config)
    except BackendUnavailable as error:
        return f"{error.message}\n{error.hint}"
    return ""


def _head():
    [line] = [one for one in rules().splitlines() if one.startswith(":PLUGRUN") and "-FWD " in one]
    return line[1:].partition("FWD")[0]
