"""Containers put on networks, and taken off, after they were made."""

from __future__ import annotations

import os

import pytest
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.connect import connect, disconnect
from plugrun.engine.networks.create import create_network
from plugrun.engine.networks.remove import remove_network
from plugrun.errors import (
    Conflict,
    InvalidArgument,
    NoSuchNetwork,
)
from plugrun.interfaces.network import ADDRESSES, PORTS
from plugrun.model.network import EndpointConfig, NetworkConfig, Port
from plugrun.model.record import replace

from tests.unit.engine.networks.wire import WEB, on, start, told_files


def test_connecting_one_that_does_not_run_is_for_its_next_start(engine, wire):
    mine = create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    connect(engine, "web", EndpointConfig("mine", aliases=("al",)))
    assert [one.name for one in engine.metadata.container(made.id).endpoints] == ["bridge", "mine"]
    assert engine.metadata.networks.users(mine.id) == [made.id]
    assert not any(said[0] == "attach" for said in wire.said)
    with pytest.raises(Conflict, match="endpoint with name web already exists in network mine"):
        connect(engine, "web", EndpointConfig("mine"))
    disconnect(engine, "mine", "web")
    assert engine.metadata.networks.users(mine.id) == []
    with pytest.raises(Conflict, match=f"container {made.id} is not connected to network mine"):
        disconnect(engine, "mine", "web")


def test_a_network_that_was_removed_can_be_left(engine):
    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine")
    remove_network(engine, "mine")
    disconnect(engine, "mine", "web")
    assert engine.metadata.container(made.id).endpoints == ()


def test_connecting_one_that_runs(engine, wire, monkeypatch):
    from plugrun.engine.networks import connect as module

    mine = create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    connect(engine, "web", EndpointConfig("mine"))
    assert wire.said[-1] == ("attach", "mine", "eth1", False)
    hosts, resolv = told_files(engine, made)
    assert hosts == ["10.9.9.1\t111111111111", "10.9.9.2\t111111111111"]
    assert "nameserver 127.0.0.11" in resolv
    disconnect(engine, "bridge", "web")
    assert wire.said[-3] == ("detach", made.id, engine.metadata.networks.named("bridge").id)
    # That one led out; now the other does.
    assert wire.said[-2:] == [("detach", made.id, mine.id), ("attach", "mine", "eth1", True)]
    assert read_attached(engine, made.id).leads == mine.id
    assert told_files(engine, made)[0] == ["10.9.9.3\t111111111111"]
    assert [one.network for one in read_attached(engine, made.id).endpoints] == [mine.id]


def test_leaving_all_networks_and_joining_one_leads_out_again(engine, wire, monkeypatch):
    from plugrun.engine.networks import connect as module

    create_network(engine, NetworkConfig("", "inner", "", internal=True))
    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine", "inner")
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    disconnect(engine, "mine", "web")
    assert wire.said[-1][0] == "detach"  # an internal one cannot
    assert read_attached(engine, made.id).leads == ""
    connect(engine, "web", EndpointConfig("mine"))
    assert wire.said[-1] == ("attach", "mine", "eth0", True)


def test_the_address_stays_when_a_network_comes_to_lead_out(engine, wire, monkeypatch):
    from plugrun.engine.networks import connect as module

    wire.capabilities |= {ADDRESSES}
    create_network(engine, NetworkConfig("", "one", ""))
    create_network(engine, NetworkConfig("", "two", ""))
    made = on(engine, "one", "two")
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    had = read_attached(engine, made.id).endpoints[1]
    disconnect(engine, "one", "web")
    assert read_attached(engine, made.id).endpoints == (had,)


def test_ports_move_to_the_network_that_comes_to_lead_out(engine, wire, monkeypatch, capfd):
    from plugrun.engine.networks import connect as module

    for name in ("one", "two", "three"):
        create_network(engine, NetworkConfig("", name, ""))
    made = on(engine, "one", "two", ports=(Port(80, "tcp", "", 665),))
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    disconnect(engine, "one", "web")
    [left] = read_attached(engine, made.id).endpoints
    assert left.attachment.ports == (Port(80, "tcp", "0.0.0.0", 665),)
    connect(engine, "web", EndpointConfig("three"))
    assert read_attached(engine, made.id).endpoints[-1].attachment.ports == ()
    # Somebody has it by now: the network stays, and why it has no port is said.
    monkeypatch.setattr(wire, "taken", (665,))
    capfd.readouterr()
    disconnect(engine, "two", "web")
    [left] = read_attached(engine, made.id).endpoints
    assert (left.name, left.attachment.ports) == ("three", ())
    assert "WARNING: container web: its ports are not published: driver " in capfd.readouterr().err
    disconnect(engine, "three", "web")
    with pytest.raises(Conflict, match="port is already allocated"):
        connect(engine, "web", EndpointConfig("two"))
    assert read_attached(engine, made.id).endpoints == ()
    monkeypatch.setattr(wire, "taken", ())
    connect(engine, "web", EndpointConfig("two"))
    [left] = read_attached(engine, made.id).endpoints
    assert left.attachment.ports == (Port(80, "tcp", "0.0.0.0", 665),)


def test_a_backend_that_publishes_nothing_is_not_asked_to(engine, wire, monkeypatch, capfd):
    from plugrun.engine.networks import connect as module

    for name in ("one", "two"):
        create_network(engine, NetworkConfig("", name, ""))
    made = on(engine, "one", "two", ports=(Port(80, "tcp", "", 665),))
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    wire.capabilities -= {PORTS}
    disconnect(engine, "one", "web")
    assert "its ports are not published: wire publishes none" in capfd.readouterr().err
    disconnect(engine, "two", "web")
    with pytest.raises(InvalidArgument, match="publishes no ports"):
        connect(engine, "web", EndpointConfig("one"))


def test_who_was_to_be_on_no_network_can_be_taken_off_none(engine, wire):
    create_network(engine, NetworkConfig("", "mine", ""))
    made = replace(WEB, network="none")
    engine.metadata.add_container(made)
    with pytest.raises(Conflict, match="none"):
        connect(engine, "web", EndpointConfig("mine"))
    disconnect(engine, "none", "web")
    connect(engine, "web", EndpointConfig("mine"))
    assert [one.name for one in engine.metadata.container(made.id).endpoints] == ["mine"]


def test_a_connecting_that_fails_leaves_no_attachment(engine, wire, monkeypatch):
    from plugrun.engine.networks import connect as module

    mine = create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    os.unlink(f"{engine.container_folder(made.id)}/hosts")
    with pytest.raises(FileNotFoundError):
        connect(engine, "web", EndpointConfig("mine"))
    assert wire.said[-1] == ("detach", made.id, mine.id)
    assert engine.metadata.networks.users(mine.id) == []


@pytest.mark.parametrize("step", ["write_attached", "_change"])
def test_connecting_again_after_a_kill_in_the_middle(engine, wire, monkeypatch, step):
    from plugrun.engine.networks import connect as module

    mine = create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    with monkeypatch.context() as killed:
        killed.setattr(module, step, lambda *_: os.kill(os.getpid(), 9))
        child = os.fork()
        if not child:
            connect(engine, "web", EndpointConfig("mine"))
        assert os.waitpid(child, 0)[1] == 9
    connect(engine, "web", EndpointConfig("mine"))
    assert ("detach", made.id, mine.id) in wire.said
    on_now = [(one.name, one.attachment.interface)
              for one in read_attached(engine, made.id).endpoints]  # fmt: skip
    assert on_now == [("bridge", "eth0"), ("mine", "eth1")]


def test_a_hosts_file_that_is_endless_is_left_alone(engine, monkeypatch):
    from plugrun.engine.networks import connect as module

    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    path = f"{engine.container_folder(made.id)}/hosts"
    os.truncate(path, 1 << 40)
    connect(engine, "web", EndpointConfig("mine"))
    assert os.stat(path).st_size == 1 << 40


def test_a_last_line_without_an_end_stays_one(engine, monkeypatch):
    from plugrun.engine.networks import connect as module

    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    with open(f"{engine.container_folder(made.id)}/hosts", "a") as file:
        file.write("1.1.1.1\tmine")
    connect(engine, "web", EndpointConfig("mine"))
    assert told_files(engine, made)[0][-2:] == ["1.1.1.1\tmine", "10.9.9.2\t111111111111"]


def test_a_resolv_conf_that_was_changed_stays(engine, monkeypatch):
    from plugrun.engine.networks import connect as module

    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine)
    start(engine, made)
    monkeypatch.setattr(module, "is_running", lambda *_: True)
    folder = engine.container_folder(made.id)
    with open(f"{folder}/resolv.conf", "w") as file:
        file.write("nameserver 9.9.9.9\n")
    with open(f"{folder}/hosts", "a") as file:
        file.write("1.1.1.1\tmine\n")
    connect(engine, "web", EndpointConfig("mine"))
    hosts, resolv = told_files(engine, made)
    assert resolv == "nameserver 9.9.9.9\n"
    assert "1.1.1.1\tmine" in hosts


@pytest.mark.parametrize(
    ("mode", "network", "message"),
    [
        ("host", "mine", "container sharing network namespace with another container or host"),
        ("container:x", "mine", "container sharing network namespace with another container"),
        ("default", "host", "container cannot be disconnected from host network or connected to"),
        ("default", "none", "container cannot be connected to multiple networks with one of the"),
        ("none", "mine", "container cannot be connected to multiple networks with one of the"),
    ],
)
def test_what_cannot_be_connected(engine, mode, network, message):
    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "bridge")
    engine.metadata.change_container(made.id, lambda one: replace(one, network=mode))
    with pytest.raises(Conflict, match=message):
        connect(engine, "web", EndpointConfig(network))


def test_what_cannot_be_disconnected(engine):
    on(engine)
    with pytest.raises(Conflict, match="container cannot be disconnected from host network"):
        disconnect(engine, "host", "web")
    with pytest.raises(NoSuchNetwork):
        disconnect(engine, "nope", "web")
