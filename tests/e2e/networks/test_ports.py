"""Published ports, asked by real clients from three sides."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.conftest import PROGRAM
from tests.e2e.networks.conftest import IMAGE, asked, inside_of, serving

RUN = ("run", "-d", "--name")
KILLED = """
import os
from plugrun.engine.networks import connect
from plugrun.launch import main
connect.hand_over = lambda *_: os.kill(os.getpid(), 9)
main()
"""
TAKEN = "import socket; s = socket.socket(); s.bind(('', {}))"


def test_from_the_host_from_a_neighbour_and_from_a_container(net, host, neighbour):
    net(*RUN, "web", "-p", "8080:80", IMAGE, "sleep", "100")
    assert net.out("port", "web") == "80/tcp -> 0.0.0.0:8080"
    assert net.out("port", "web", "80") == "0.0.0.0:8080"
    assert net.out("ps", "--format", "{{.Ports}}") == "0.0.0.0:8080->80/tcp"
    net(*RUN, "asks", IMAGE, "sleep", "100")
    inner = net.inspect("asks")["NetworkSettings"]["SandboxKey"]
    with serving(net, "web", 80):
        assert asked(host, "127.0.0.1", 8080).startswith("hello ")
        assert asked(host, "192.0.2.1", 8080).startswith("hello ")
        assert asked(neighbour, "192.0.2.1", 8080) == "hello 192.0.2.2"
        assert asked(inner, "192.0.2.1", 8080).startswith("hello ")
        assert asked(inner, net.address("web"), 80) == f"hello {net.address('asks')}"


def test_udp_one_address_and_any_port(net, host, neighbour):
    net(*RUN, "web", "-p", "127.0.0.1::53/udp", IMAGE, "sleep", "100")
    (found,) = net.inspect("web")["NetworkSettings"]["Ports"]["53/udp"]
    assert found["HostIp"] == "127.0.0.1"
    with serving(net, "web", 53, "udp"):
        assert asked(host, "127.0.0.1", int(found["HostPort"]), "udp") == "echo x"


def test_all_exposed_ports(net):
    net(*RUN, "web", "-P", "--expose", "70-71", "--expose", "53/udp", IMAGE, "sleep", "100")
    ports = net.inspect("web")["NetworkSettings"]["Ports"]
    assert sorted(ports) == ["53/udp", "70/tcp", "71/tcp"]
    assert all(one[0]["HostPort"] != "0" for one in ports.values())
    net("stop", "-t", "0", "web")
    assert net.inspect("web")["NetworkSettings"]["Ports"] == {}
    assert net("port", "web").stdout == ""


def test_a_range_gives_one_that_is_free(net):
    for name in ("a1", "a2"):
        net(*RUN, name, "-p", "8090-8091:80", IMAGE, "sleep", "100")
    taken = {net.out("port", name, "80") for name in ("a1", "a2")}
    assert taken == {"0.0.0.0:8090", "0.0.0.0:8091"}
    done = net("run", "--rm", "-p", "8090-8091:80", IMAGE, "ls", code=125)
    assert "port" in done.stderr
    assert net.out("ps", "-f", "publish=8090", "--format", "{{.Names}}") in ("a1", "a2")
    assert net.out("ps", "-f", "publish=80", "-q") == ""


def test_a_port_that_is_taken_leaves_nothing(net):
    net(*RUN, "web", "-p", "8085:80", IMAGE, "sleep", "100")
    done = net("run", "--rm", "--name", "late", "-p", "8085:80", IMAGE, "ls", code=125)
    head = "plugrun: driver failed programming external connectivity on endpoint late ("
    assert done.stderr.startswith(head)
    assert "): Bind for 0.0.0.0:8085 failed: port is already allocated" in done.stderr
    assert net.out("ps", "-aqf", "name=late") == ""
    net("create", "--name", "late", "-p", "8085:80", IMAGE, "sleep", "100")
    net("start", "late", code=1)
    shown = net.inspect("late")["State"]
    assert (shown["Status"], shown["ExitCode"]) == ("created", 128)
    assert shown["Error"].startswith("driver failed programming external connectivity")
    net("rm", "-f", "web")
    net("start", "late")


def test_detached_on_a_port_that_is_taken(net):
    """As measured on Docker: the ID, then the error; the container stays, created."""
    net(*RUN, "web", "-p", "8085:80", IMAGE, "sleep", "100")
    done = net(*RUN, "late", "-p", "8085:80", IMAGE, "sleep", "100", code=125)
    assert done.stdout.strip() == net.inspect("late")["Id"]
    assert "Bind for 0.0.0.0:8085 failed: port is already allocated" in done.stderr
    assert net.inspect("late")["State"]["Status"] == "created"
    done = net("run", "-d", "--rm", "-p", "8085:80", IMAGE, "sleep", "100", code=125)
    assert len(done.stdout.strip()) == 64
    assert net.out("ps", "-aq", "--no-trunc").count(done.stdout.strip()) == 0


def test_connecting_publishes_where_nothing_led_out(net, host, neighbour):
    net("network", "create", "--internal", "inner")
    net("network", "create", "outer")
    net(*RUN, "web", "--network", "inner", "-p", "8088:80", IMAGE, "sleep", "100")
    assert net.out("port", "web") == ""
    net("network", "connect", "outer", "web")
    assert net.out("port", "web") == "80/tcp -> 0.0.0.0:8088"
    with serving(net, "web", 80):
        assert asked(neighbour, "192.0.2.1", 8088) == "hello 192.0.2.2"
        assert asked(host, "127.0.0.1", 8088).startswith("hello ")
    # Its monitor holds it now, as it holds those of a start.
    with pytest.raises(subprocess.CalledProcessError):
        inside_of(host, sys.executable, "-c", TAKEN.format(8088))
    net("network", "disconnect", "outer", "web")
    assert net.out("port", "web") == ""
    inside_of(host, sys.executable, "-c", TAKEN.format(8088))
    net("network", "connect", "outer", "web")
    assert net.out("port", "web") == "80/tcp -> 0.0.0.0:8088"


def test_connecting_where_a_port_is_taken_meanwhile(net):
    net("network", "create", "--internal", "inner")
    net("network", "create", "outer")
    net(*RUN, "web", "--network", "inner", "-p", "8089:80", IMAGE, "sleep", "100")
    net(*RUN, "quick", "-p", "8089:80", IMAGE, "sleep", "100")
    done = net("network", "connect", "outer", "web", code=1)
    assert done.stderr.startswith("Error: driver failed programming external connectivity on ")
    assert "Bind for 0.0.0.0:8089 failed: port is already allocated" in done.stderr
    assert list(net.inspect("web")["NetworkSettings"]["Networks"]) == ["inner"]


def test_who_was_on_no_network_is_published_once_connected(net, host):
    net("network", "create", "mine")
    net(*RUN, "other", "--network", "mine", IMAGE, "sleep", "100")
    net(*RUN, "web", "--network", "none", "-p", "8092:80", IMAGE, "sleep", "100")
    refused = net("network", "connect", "mine", "web", code=1)
    assert "networks in private (none) mode" in refused.stderr
    net("network", "disconnect", "none", "web")
    net("network", "connect", "mine", "web")
    assert net.out("port", "web") == "80/tcp -> 0.0.0.0:8092"
    with serving(net, "web", 80):
        assert asked(host, "192.0.2.1", 8092).startswith("hello ")
    address = net.address("other", "mine")
    assert net.inside("web", "getent", "ahostsv4", "other").split()[0] == address


def test_who_was_connected_later_gives_its_port_back_at_its_end(net):
    """Its monitor was told of no network."""
    net("network", "create", "mine")
    words = ("--network", "none", "-p", "8096:80", IMAGE, "sh", "-c", "echo runs; exec sleep 100")
    front = net.start("run", "--name", "web", *words)
    assert front.stdout.readline() == "runs\n"
    net("network", "disconnect", "none", "web")
    net("network", "connect", "mine", "web")
    net("kill", "web")
    front.communicate(timeout=60)
    net(*RUN, "next", "-p", "8096:80", IMAGE, "sleep", "100")
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_who_is_being_connected_by_a_command_that_is_killed(net):
    net("network", "create", "mine")
    net(*RUN, "web", "--network", "none", "-p", "8097:80", IMAGE, "sleep", "100")
    net("network", "disconnect", "none", "web")
    program = net.argv.index(PROGRAM)
    words = (sys.executable, "-c", KILLED, *net.argv[program + 1 :], "network", "connect")
    done = subprocess.run([*net.argv[:program], *words, "mine", "web"], check=False, timeout=60)
    assert done.returncode == -9
    net("rm", "-f", "web")
    net(*RUN, "next", "-p", "8097:80", IMAGE, "sleep", "100")
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_ports_move_to_the_network_that_leads_out_next(net, host, neighbour):
    for name in ("one", "two"):
        net("network", "create", name)
    nets = ("--network", "one", "--network", "two")
    net(*RUN, "web", *nets, "-p", "8093:80", "-p", "8094-8096:81-83", IMAGE, "sleep", "100")
    net("network", "disconnect", "one", "web")
    assert "80/tcp -> 0.0.0.0:8093" in net.out("port", "web")
    with serving(net, "web", 80):
        assert asked(neighbour, "192.0.2.1", 8093) == "hello 192.0.2.2"
    with pytest.raises(subprocess.CalledProcessError):
        inside_of(host, sys.executable, "-c", TAKEN.format(8095))
    net("stop", "-t", "0", "web")
    inside_of(host, sys.executable, "-c", TAKEN.format(8095))


def test_one_winner_of_a_race(net):
    racers = [net.start("run", "-d", "-p", "8086:80", IMAGE, "sleep", "100") for _ in range(3)]
    codes = sorted(racer.wait(60) for racer in racers)
    for racer in racers:
        racer.communicate()
    assert codes == [0, 125, 125]
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_ports_stay_reserved_as_long_as_it_runs_and_over_restarts(net, host):
    net(*RUN, "web", "-p", "8087:80", "--restart", "always", IMAGE, "sleep", "100")
    taken = TAKEN.format(8087)
    with pytest.raises(subprocess.CalledProcessError):
        inside_of(host, sys.executable, "-c", taken)
    net("restart", "-t", "0", "web")
    assert net.out("port", "web", "80") == "0.0.0.0:8087"
    net("stop", "-t", "0", "web")
    inside_of(host, sys.executable, "-c", taken)


def test_host_and_container_networks_publish_nothing(net):
    done = net("run", "--rm", "--network", "host", "-p", "80:80", IMAGE, "ls")
    assert done.stderr == "WARNING: Published ports are discarded when using host network mode\n"
    done = net("run", "--rm", "--network", "container:x", "-p", "80:80", IMAGE, "ls", code=125)
    assert "port publishing and the container type network mode" in done.stderr


def test_a_gigabyte_from_another_host_arrives_as_it_was_sent(net, neighbour):
    net(*RUN, "web", "-p", "8097:80", IMAGE, "sleep", "3600")
    inner = net.inspect("web")["NetworkSettings"]["SandboxKey"]
    words = ["nsenter", f"--net={inner}", sys.executable, "-c", TAKES]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout is not None
        try:
            assert taker.stdout.readline() == "ready\n"
            # Both ends reckon a checksum: a busy machine has its time.
            sent = inside_of(neighbour, sys.executable, "-c", GIVES, timeout=900).stdout
            assert taker.stdout.readline() == sent
            assert sent.startswith(f"{1 << 30} ")
        finally:
            taker.kill()


GIVES = """
import hashlib, os, socket
hashed, piece, sent = hashlib.sha256(), bytearray(os.urandom(1 << 20)), 0
with socket.create_connection(("192.0.2.1", 8097), 600) as one:
    for number in range(1 << 10):
        piece[:8] = number.to_bytes(8, "big")
        one.sendall(piece)
        hashed.update(piece)
        sent += len(piece)
print(sent, hashed.hexdigest())
"""
TAKES = """
import hashlib, socket
hashed, piece, got = hashlib.sha256(), memoryview(bytearray(1 << 20)), 0
server = socket.create_server(("0.0.0.0", 80))
print("ready", flush=True)
one, _ = server.accept()
while size := one.recv_into(piece):
    hashed.update(piece[:size])
    got += size
print(got, hashed.hexdigest(), flush=True)
"""
