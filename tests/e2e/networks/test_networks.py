"""Networks of one's own: made, listed, joined, left and removed."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from tests.e2e.networks.conftest import IMAGE, asked, inside_of, serving
from tests.e2e.test_hot_path import FORBIDDEN, loaded

SLEEP = ("run", "-d", "--name")


def test_the_default_network_gives_an_address_and_files(net):
    net(*SLEEP, "web", "--hostname", "box", IMAGE, "sleep", "100")
    address = net.address("web")
    assert address
    hosts = net.inside("web", "cat", "/etc/hosts").splitlines()
    assert hosts[-1] == f"{address}\tbox"
    settings = net.inspect("web")["NetworkSettings"]
    assert settings["IPAddress"] == address
    assert f"inet {address}/{settings['IPPrefixLen']}" in net.inside("web", "ip", "addr")
    assert f"default via {settings['Gateway']} dev eth0" in net.inside("web", "ip", "route")
    assert settings["MacAddress"] in net.inside("web", "ip", "link")


def test_defaults_of_interfaces_are_set_before_there_is_one(net):
    """``net.*.default.*`` is for those that are made later; what makes ours waits for it."""
    place = "/proc/sys/net/ipv4/conf/eth0/log_martians"
    switch = "net.ipv4.conf.default.log_martians=1"
    got = [net.out("run", "--rm", "--sysctl", switch, IMAGE, "cat", place) for _ in range(8)]
    assert got == ["1"] * 8


def test_create_ls_inspect_rm(net):
    words = ("--subnet", "10.89.1.0/24", "--ip-range", "10.89.1.128/25", "--label", "a=b")
    gateway = ("--gateway", "10.89.1.1")
    id = net.out("network", "create", *words, "--aux-address", "x=10.89.1.129", *gateway, "mine")
    assert len(id) == 64
    listed = net.out("network", "ls").splitlines()
    assert listed[0] == "NETWORK ID     NAME      DRIVER    SCOPE"
    assert f"{id[:12]}   mine      bridge    local" in listed
    assert [line.split()[1] for line in listed[1:]] == ["bridge", "host", "mine", "none"]
    (found,) = json.loads(net.out("network", "inspect", "mine"))
    assert found["IPAM"]["Config"] == [
        {
            "Subnet": "10.89.1.0/24",
            "IPRange": "10.89.1.128/25",
            "Gateway": "10.89.1.1",
            "AuxiliaryAddresses": {"x": "10.89.1.129"},
        }
    ]
    assert json.loads(net.out("inspect", "mine")) == [found]
    assert net.out("network", "ls", "-qf", "type=custom", "--no-trunc") == id
    assert net.out("network", "ls", "-f", "label=a", "--format", "{{.Name}}") == "mine"
    assert net("network", "create", "mine", code=1).stderr == (
        "Error: network with name mine already exists\n"
    )
    overlaps = net("network", "create", "--subnet", "10.89.1.0/25", "two", code=1)
    assert "Pool overlaps with other one on this address space" in overlaps.stderr
    assert net.out("network", "rm", id[:12]) == id[:12]
    done = net("network", "rm", "mine", code=1)
    assert done.stderr.startswith("Error: network mine not found\n")
    assert net.out("network", "rm", "-f", "mine") == ""


def test_an_address_and_a_hardware_address_of_choice(net):
    net("network", "create", "--subnet", "10.89.2.0/24", "mine")
    options = ("--ip", "10.89.2.77", "--mac-address", "02:42:0a:63:00:99")
    net(*SLEEP, "web", "--network", "mine", *options, IMAGE, "sleep", "100")
    shown = net.inside("web", "ip", "addr", "show", "eth0")
    assert "10.89.2.77/24" in shown
    assert "02:42:0a:63:00:99" in shown
    again = net("run", "--rm", "--network", "mine", *options[:2], IMAGE, "ls", code=125)
    assert "ddress already in use" in again.stderr
    other = ("--network", "name=mine,ip=10.89.2.78,alias=x")
    net("run", "--rm", *other, IMAGE, "ip", "addr")
    outside = net("run", "--rm", "--network", "mine", "--ip", "10.9.9.9", IMAGE, "ls", code=125)
    assert "It does not belong to any of this network's subnets" in outside.stderr


def test_several_networks_connected_and_left_while_it_runs(net):
    for name in ("one", "two"):
        net("network", "create", name)
    net(*SLEEP, "web", "--network", "one", "--network", "two", IMAGE, "sleep", "100")
    assert {"eth0", "eth1"} <= interfaces(net, "web")
    assert net.out("ps", "--format", "{{.Networks}}") == "one,two"
    done = net("network", "rm", "two", code=1)
    assert "network two id" in done.stderr
    assert "has active endpoints" in done.stderr
    net("network", "disconnect", "two", "web")
    assert "eth1" not in interfaces(net, "web")
    net("network", "rm", "two")
    net("network", "create", "three")
    net("network", "connect", "--alias", "x", "three", "web")
    assert "eth1" in interfaces(net, "web")
    address = net.address("web", "three")
    assert f"{address}\t" in net.inside("web", "cat", "/etc/hosts")
    (found,) = json.loads(net.out("network", "inspect", "three"))
    (endpoint,) = found["Containers"].values()
    assert (endpoint["Name"], endpoint["IPv4Address"].partition("/")[0]) == ("web", address)
    again = net("network", "connect", "three", "web", code=1)
    assert again.stderr == "Error: endpoint with name web already exists in network three\n"
    net("restart", "-t", "0", "web")
    assert {"eth0", "eth1"} <= interfaces(net, "web")


@pytest.mark.parametrize(
    "options",
    [("--domainname", "d\nx"), ("--add-host", "a\n6.6.6.6 b:1.1.1.1"), ("--dns-option", "a\nb")],
)
def test_a_line_feed_in_what_is_written_to_hosts_or_resolv_conf(net, options):
    done = net("create", "--network", "none", *options, IMAGE, "ls", code=1)
    assert "invalid" in done.stderr


def test_another_network_leads_out_when_the_first_is_left(net):
    for name in ("one", "two"):
        net("network", "create", name)
    net(*SLEEP, "web", "--network", "one", "--network", "two", IMAGE, "sleep", "100")
    address = net.address("web", "two")
    net("network", "disconnect", "one", "web")
    assert "dev eth1" in net.inside("web", "ip", "route", "show", "default")
    assert net.address("web", "two") == address
    net("network", "disconnect", "two", "web")
    assert net.out("ps", "--format", "{{.Names}}:{{.Networks}}") == "web:"
    net("network", "connect", "one", "web")
    assert "dev eth0" in net.inside("web", "ip", "route", "show", "default")


def interfaces(net, name):
    lines = net.inside(name, "ip", "-o", "link").splitlines()
    return {line.split(": ")[1].partition("@")[0] for line in lines}


def test_a_network_that_went_meanwhile(net):
    id = net.out("network", "create", "mine")
    net("create", "--name", "web", "--network", "mine", IMAGE, "sleep", "100")
    net("network", "rm", "mine")
    done = net("start", "web", code=1)
    assert done.stderr == f"Error: network {id} not found\nError: failed to start containers: web\n"
    state = net.inspect("web")["State"]
    assert (state["Status"], state["Error"]) == ("created", f"network {id} not found")
    net("network", "disconnect", "mine", "web")
    net("network", "connect", "bridge", "web")
    net("start", "web")
    assert net.address("web")


def test_names_on_a_network(net):
    net("network", "create", "mine")
    net(*SLEEP, "web", "--network", "mine", "--network-alias", "shop", IMAGE, "sleep", "100")
    net(*SLEEP, "asks", "--network", "mine", "--link", "web:linked", IMAGE, "sleep", "100")
    address = net.address("web", "mine")
    id = net.inspect("web")["Id"][:12]
    for name in ("web", "shop", id, "linked"):
        assert net.inside("asks", "getent", "ahostsv4", name).split()[0] == address
    net("rename", "web", "store")
    assert net.inside("asks", "getent", "ahostsv4", "store").split()[0] == address
    names = net.inspect("store")["NetworkSettings"]["Networks"]["mine"]
    assert (names["Aliases"], names["DNSNames"]) == (["shop"], ["store", "shop", id])


def test_names_across_two_networks(net):
    for name in ("one", "two"):
        net("network", "create", name)
        net(*SLEEP, f"in-{name}", "--network", name, IMAGE, "sleep", "100")
    net(*SLEEP, "both", "--network", "one", "--network", "two", IMAGE, "sleep", "100")
    for name in ("one", "two"):
        address = net.address(f"in-{name}", name)
        assert net.inside("both", "getent", "ahostsv4", f"in-{name}").split()[0] == address
        own = net.address("both", name)
        assert net.inside(f"in-{name}", "getent", "ahostsv4", "both").split()[0] == own
    net("exec", "in-one", "getent", "ahostsv4", "in-two", code=2)


def _kill_the_name_server(net):
    (serving_file,) = glob.glob(f"{net.run_root}/*/network/bridge/serving")
    with open(serving_file) as file:
        pidfd = os.pidfd_open(int(file.read().split()[0]))
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert select.select([pidfd], [], [], 60)[0]
    os.close(pidfd)


def test_the_next_command_starts_the_name_server_again(net):
    net("network", "create", "mine")
    net(*SLEEP, "web", "--network", "mine", IMAGE, "sleep", "100")
    net(*SLEEP, "asks", "--network", "mine", IMAGE, "sleep", "100")
    _kill_the_name_server(net)
    assert "DNS server for containers was gone: started it again" in net("ps").stderr
    assert net("ps").stderr == ""
    address = net.address("web", "mine")
    assert net.inside("asks", "getent", "ahostsv4", "web").split()[0] == address
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_a_bridge_that_became_somebody_elses_is_in_no_commands_way(net, host):
    id = net.out("network", "create", "mine")
    net(*SLEEP, "web", "--network", "mine", IMAGE, "sleep", "100")
    bridge = f"pr-{id[:12]}"
    inside_of(host, "ip", "link", "delete", bridge)
    inside_of(host, "ip", "link", "add", bridge, "type", "bridge")
    try:
        refusal = f'network "mine" cannot have the interface {bridge}: there is one'
        assert refusal in net("system", "check", code=1).stdout
        _kill_the_name_server(net)
        done = net("ps", "--format", "{{.Names}}")
        assert done.stdout == "web\n"
        assert f"WARNING: {refusal}\n" in done.stderr
        assert net("ps").stderr == ""
        net("rm", "-f", "web")
        net("network", "rm", "mine")
        assert bridge in inside_of(host, "ip", "link").stdout
    finally:
        inside_of(host, "ip", "link", "delete", bridge)


def test_a_bridge_that_was_deleted_is_found_and_made_again(net, host):
    net("network", "create", "--opt", "com.docker.network.bridge.name=mine0", "mine")
    net(*SLEEP, "web", "--network", "mine", IMAGE, "sleep", "100")
    inside_of(host, "ip", "link", "delete", "mine0")
    done = net("system", "check", "--quick", code=1)
    assert 'network "mine": the bridge mine0 is gone' in done.stdout
    net("system", "check", "--quick", "--repair")
    with serving(net, "web", 80):
        assert asked(host, net.address("web", "mine"), 80).startswith("hello ")
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_a_subnet_that_a_vpn_took_meanwhile(net, host):
    """Of a network that has no bridge, as after a reboot."""
    net(*SLEEP, "web", IMAGE, "sleep", "100")
    had = net.address("web")
    net("stop", "-t", "0", "web")
    (found,) = json.loads(net.out("network", "inspect", "bridge"))
    bridge = found["Options"].get("com.docker.network.bridge.name") or f"pr-{found['Id'][:12]}"
    inside_of(host, "ip", "link", "delete", bridge)
    inside_of(host, "ip", "link", "add", "vpn", "type", "bridge")
    try:
        inside_of(host, "ip", "address", "add", f"{had}/24", "dev", "vpn")
        inside_of(host, "ip", "link", "set", "vpn", "up")
        done = net("start", "web", code=1)
        assert 'network "bridge" cannot be brought up: its subnet' in done.stderr
        assert "(vpn)" in done.stderr
        assert "bridge: its subnet" in net("system", "check", "--quick", code=1).stdout
        net("system", "check", "--quick", "--repair")
        net("start", "web")
        assert net.address("web").rpartition(".")[0] != had.rpartition(".")[0]
    finally:
        inside_of(host, "ip", "link", "delete", "vpn")


def test_networks_are_fenced_off(net):
    for name in ("one", "two"):
        net("network", "create", name)
    net(*SLEEP, "web", "--network", "one", IMAGE, "sleep", "100")
    net(*SLEEP, "asks", "--network", "two", IMAGE, "sleep", "100")
    net("exec", "asks", "getent", "ahostsv4", "web", code=2)
    inner = net.inspect("asks")["NetworkSettings"]["SandboxKey"]
    with serving(net, "web", 80):
        with pytest.raises(subprocess.CalledProcessError):
            asked(inner, net.address("web", "one"), 80, patience=1)
        net("network", "connect", "one", "asks")
        assert asked(inner, net.address("web", "one"), 80).startswith("hello ")
    address = net.address("web", "one")
    assert net.inside("asks", "getent", "ahostsv4", "web").split()[0] == address


def test_legacy_links(net):
    net(*SLEEP, "db", "--expose", "70", "-e", "A=1", IMAGE, "sleep", "100")
    address = net.address("db")
    words = ("--rm", "--name", "web", "--link", "db:data", IMAGE, "sh", "-c")
    found = net.out("run", *words, "cat /etc/hosts; echo $DATA_PORT $DATA_NAME $DATA_ENV_A")
    assert f"{address}\tdata " in found
    assert found.splitlines()[-1] == f"tcp://{address}:70 /web/data 1"
    assert net.inspect("db")["HostConfig"]["Links"] is None
    net("stop", "-t", "0", "db")
    done = net("run", "--rm", "--name", "web", "--link", "db", IMAGE, "ls", code=125)
    assert "Cannot link to" in done.stderr


def test_the_network_of_another_container(net):
    net(*SLEEP, "web", "--hostname", "box", IMAGE, "sleep", "100")
    words = ("run", "--rm", "--network", "container:web", IMAGE, "sh", "-c")
    found = net.out(*words, "ip -o -4 addr; cat /etc/hosts /etc/hostname")
    assert net.address("web") in found
    assert found.splitlines()[-1] == "box"
    net(*SLEEP, "second", "--network", "container:web", IMAGE, "sleep", "100")
    shown = net.inspect("second")
    assert shown["HostConfig"]["NetworkMode"] == f"container:{net.inspect('web')['Id']}"
    assert shown["NetworkSettings"]["Networks"] == {}
    assert shown["HostsPath"] == net.inspect("web")["HostsPath"]
    refused = net("network", "connect", "bridge", "second", code=1)
    assert "container sharing network namespace with another container" in refused.stderr
    net("rm", "-f", "second")
    net("stop", "-t", "0", "web")
    stopped = net(*words, "ls", code=125)
    assert "cannot join network of a non running container" in stopped.stderr


def test_events(net):
    id = net.out("network", "create", "mine")
    net("run", "--rm", "--name", "web", "--network", "mine", IMAGE, "ls")
    net("network", "rm", "mine")
    words = ("--since", "1h", "--until", "0s", "--format", "{{.Type}} {{.Action}} {{.Actor.ID}}")
    lines = net.out("events", *words, "-f", f"network={id}").splitlines()
    assert lines == [
        f"network {act} {id}" for act in ("create", "connect", "disconnect", "destroy")
    ]


def test_prune_leaves_what_is_used(net):
    for name in ("used", "idle"):
        net("network", "create", name)
    net(*SLEEP, "web", "--network", "used", IMAGE, "sleep", "100")
    assert net.out("network", "prune", "-f") == "Deleted Networks:\nidle\n"
    net("network", "create", "idle")
    assert "Deleted Networks:\nidle\n" in net.out("system", "prune", "-f")
    assert net.out("network", "ls", "-qf", "dangling=true") == ""


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_killed_monitor_leaves_nothing_that_stays(net, policy):
    """The next command detaches what has ended with its monitor."""
    words = ("--restart", policy, "-p", "8099:80")
    net(*SLEEP, "web", *words, IMAGE, "sleep", "100")
    pid = net.inspect("web")["State"]["Pid"]
    with open(f"{net.run_root_of_root}/containers/{net.inspect('web')['Id']}/task") as file:
        monitor = json.load(file)["monitor"]
    os.kill(monitor, signal.SIGKILL)
    fd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([fd], [], [], 20)[0]
    os.close(fd)
    assert net.out("ps", "-q") == ""
    assert net.out("system", "check", "--quick") == "Nothing is wrong."
    net(*SLEEP, "next", "-p", "8099:80", IMAGE, "sleep", "100")
    assert net.out("port", "next") == "80/tcp -> 0.0.0.0:8099"


def test_system_check_finds_and_removes_what_nobody_else_would(net, host):
    net("network", "create", "mine")
    net(*SLEEP, "web", "--network", "mine", "-p", "8098:80", IMAGE, "sleep", "100")
    shown = net.inspect("web")
    folder = f"{net.run_root_of_root}/containers/{shown['Id']}"
    with open(f"{folder}/task") as file:
        monitor = json.load(file)["monitor"]
    fd = os.pidfd_open(shown["State"]["Pid"])
    for pid in (monitor, shown["State"]["Pid"]):
        os.kill(pid, signal.SIGKILL)
    assert select.select([fd], [], [], 20)[0]
    os.close(fd)
    # Somebody tidied up by hand: no task file tells of it, and the network has no record.
    shutil.rmtree(folder)
    with contextlib.closing(sqlite3.connect(f"{net.root}/plugrun.db")) as database, database:
        database.execute("DELETE FROM networks WHERE name='mine'")
    found = net("system", "check", "--quick", code=1).stdout
    assert f"network: container {shown['Id'][:12]}: it is on a network, and does not run" in found
    assert "a killed command left it on this machine" in found
    net("system", "check", "--quick", "--repair")
    assert net.out("system", "check", "--quick") == "Nothing is wrong."
    links = inside_of(host, "ip", "-o", "link").stdout
    assert shown["NetworkSettings"]["Networks"]["mine"]["NetworkID"][:12] not in links


def test_a_bridge_that_somebody_removed_is_made_again_said_aloud(net, host):
    net("network", "create", "mine")
    net(*SLEEP, "first", "--network", "mine", IMAGE, "sleep", "100")
    (found,) = json.loads(net.out("network", "inspect", "mine"))
    inside_of(host, "ip", "link", "del", f"pr-{found['Id'][:12]}")
    done = net(*SLEEP, "web", "--network", "mine", IMAGE, "sleep", "100")
    assert done.stderr.startswith("WARNING: ")
    assert net.address("web", "mine") in net.inside("web", "ip", "addr")


def test_one_that_was_to_go_goes_when_its_start_fails_and_its_starter_is_dead(net):
    net(*SLEEP, "web", "-p", "8095:80", IMAGE, "sleep", "100")
    words = ("run", "--rm", "--name", "late", "-p", "8095:80", IMAGE, "ls")
    for pause in (0.01, 0.05, 0.1, 0.15):
        process = net.start(*words)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        process.kill()
        process.communicate()
    gone = time.monotonic() + 20
    while net.out("ps", "-aqf", "name=late") and time.monotonic() < gone:
        pass
    assert net.out("ps", "-aqf", "name=late") == ""


def test_a_start_on_the_bridge_loads_no_more_than_it_needs(net):
    found = loaded(net, "run", "--rm", "-p", "80", IMAGE, "ls")
    assert "plugrun.engine.networks.attach" in found
    assert found & (FORBIDDEN | {"ipaddress"}) == set()
    found = loaded(net, "run", "--rm", "--network", "none", IMAGE, "ls")
    assert not any(
        name.startswith(("plugrun.engine.networks", "plugrun_network")) for name in found
    )


def test_a_container_is_reached_by_its_address(net, host):
    net(*SLEEP, "web", IMAGE, "sleep", "100")
    with serving(net, "web", 80):
        assert asked(host, net.address("web"), 80).startswith("hello ")
