"""Networks found, made, removed and shown."""

from __future__ import annotations

import pytest
from plugrun.engine.engine import Engine
from plugrun.engine.networks.attach import (
    claim_networks,
)
from plugrun.engine.networks.attached import is_attached
from plugrun.engine.networks.create import create_network
from plugrun.engine.networks.document import network_document
from plugrun.engine.networks.find import (
    all_networks,
    default_network,
    find_network,
    fixed_id,
    sole_network,
)
from plugrun.engine.networks.remove import prune_networks, remove_network
from plugrun.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NoSuchNetwork,
)
from plugrun.model.container import BackendChoice
from plugrun.model.network import NetworkConfig, Subnet

from tests.unit.engine.networks.wire import WEB, on


def test_the_default_network_is_made_once(engine, wire):
    first = default_network(engine)
    assert first.name == "bridge"
    assert first.subnets == (Subnet("10.0.0.0/16", "10.0.0.1"),)
    assert default_network(engine) == find_network(engine, "default") == first
    assert [said[0] for said in wire.said] == ["create"]


def test_another_backend_takes_the_default_network_over(engine, wire, monkeypatch):
    first = default_network(engine)
    other = BackendChoice("other", "1", "test")
    monkeypatch.setattr(Engine, "network_choice", lambda self: other)
    second = default_network(engine)
    assert (second.driver, second.id != first.id) == ("other", True)
    assert ("remove", "bridge") in wire.said


def test_a_backend_with_one_network_keeps_none(engine, wire):
    wire.capabilities = frozenset()
    assert default_network(engine) == sole_network("wire")
    assert engine.metadata.networks.all() == []
    assert [one.name for one in all_networks(engine)] == ["bridge", "host", "none"]
    with pytest.raises(InvalidArgument, match="wire has one network, and makes no others"):
        create_network(engine, NetworkConfig("", "mine", ""))


def test_networks_are_found_by_id_name_and_prefix(engine):
    mine = create_network(engine, NetworkConfig("", "mine", ""))
    assert find_network(engine, "mine") == find_network(engine, mine.id) == mine
    assert find_network(engine, mine.id[:12]) == mine
    assert find_network(engine, "none").id == fixed_id("none")
    assert find_network(engine, fixed_id("host")[:12]).name == "host"
    with pytest.raises(NoSuchNetwork, match=r"^network nope not found$"):
        find_network(engine, "nope")
    with pytest.raises(NoSuchNetwork):
        find_network(engine, "")


def test_a_network_hears_of_all_others(engine, wire):
    create_network(engine, NetworkConfig("", "a", ""))
    create_network(engine, NetworkConfig("", "b", "", labels=(("k", "v"),)))
    assert wire.said == [("create", "a", ()), ("create", "b", ("a",))]
    assert [event[:2] for event in engine.told] == [("network", "create")] * 2
    with pytest.raises(AlreadyExists, match="network with name a already exists"):
        create_network(engine, NetworkConfig("", "a", ""))


@pytest.mark.parametrize(
    ("name", "driver", "message"),
    [
        ("bridge", "", "operation is not permitted on predefined bridge network"),
        ("default", "", "operation is not permitted on predefined default network"),
        ("mine", "host", 'only one instance of "host" network is allowed'),
        ("mine", "null", 'only one instance of "null" network is allowed'),
        ("", "", "invalid name: name is empty"),
        ("a/b", "", 'invalid name: "a/b"'),
    ],
)
def test_what_is_not_made(engine, name, driver, message):
    with pytest.raises(InvalidArgument, match=message):
        create_network(engine, NetworkConfig("", name, driver))


def test_removing(engine, wire):
    mine = create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine")
    remove_network(engine, mine.id[:12])
    assert wire.said[-1] == ("remove", "mine")
    with pytest.raises(NoSuchNetwork, match=f"network {mine.id} not found"):
        claim_networks(engine, made)
    for name in ("bridge", "host", "none"):
        with pytest.raises(InvalidArgument, match=f"{name} is a pre-defined network and cannot"):
            remove_network(engine, name)


def test_one_that_is_used_stays(engine, monkeypatch):
    from plugrun.engine.networks import remove as module

    create_network(engine, NetworkConfig("", "mine", ""))
    create_network(engine, NetworkConfig("", "other", ""))
    default_network(engine)
    on(engine, "mine")
    monkeypatch.setattr(module, "is_attached", lambda *_: True)
    with pytest.raises(Conflict, match=r"network mine id [0-9a-f]{64} has active endpoints"):
        remove_network(engine, "mine")
    assert prune_networks(engine, lambda one: True).lines == ("other",)
    assert sorted(one.name for one in engine.metadata.networks.all()) == ["bridge", "mine"]


def test_a_network_is_dockers_document(engine):
    subnet = Subnet("10.7.0.0/16", "10.7.0.1", "10.7.1.0/24", (("a", "10.7.0.9"),))
    mine = create_network(
        engine,
        NetworkConfig("", "mine", "", subnets=(subnet,), labels=(("k", "v"),), internal=True),
    )
    found = network_document(engine, mine)
    assert found["IPAM"]["Config"] == [
        {
            "Subnet": "10.7.0.0/16",
            "IPRange": "10.7.1.0/24",
            "Gateway": "10.7.0.1",
            "AuxiliaryAddresses": {"a": "10.7.0.9"},
        }
    ]
    assert (found["Name"], found["Internal"], found["Labels"]) == ("mine", True, {"k": "v"})
    assert list(found) == [
        *("Name", "Id", "Created", "Scope", "Driver", "EnableIPv6", "IPAM", "Internal"),
        *("Attachable", "Ingress", "ConfigFrom", "ConfigOnly", "Containers", "Options", "Labels"),
    ]
    assert not is_attached(engine, WEB.id, mine.id)
