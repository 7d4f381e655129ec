"""Published ports, asked by real clients from three sides."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.networks.conftest import IMAGE, asked, inside_of, serving

RUN = ("run", "-d", "--name")


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


def test_one_winner_of_a_race(net):
    racers = [net.start("run", "-d", "-p", "8086:80", IMAGE, "sleep", "100") for _ in range(3)]
    codes = sorted(racer.wait(60) for racer in racers)
    for racer in racers:
        racer.communicate()
    assert codes == [0, 125, 125]
    assert net.out("system", "check", "--quick") == "Nothing is wrong."


def test_ports_stay_reserved_as_long_as_it_runs_and_over_restarts(net, host):
    net(*RUN, "web", "-p", "8087:80", "--restart", "always", IMAGE, "sleep", "100")
    taken = "import socket; s = socket.socket(); s.bind(('', 8087))"
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
