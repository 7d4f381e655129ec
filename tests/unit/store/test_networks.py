"""Networks in the database: names, who is on them, and removal while somebody starts."""

from __future__ import annotations

import pytest
from plugrun.errors import AlreadyExists, Conflict, NoSuchNetwork
from plugrun.model.image import Image, ImageName
from plugrun.model.network import EndpointConfig, NetworkConfig, Subnet
from plugrun.model.record import replace
from plugrun.store.metadata import Metadata

from tests.unit.cli.examples import container

A = NetworkConfig(
    "a1" * 32, "one", "bridge", 5,
    (Subnet("10.1.0.0/16", "10.1.0.1", reserved=(("x", "10.1.0.9"),)),),
    labels=(("k", "v"),), options=(("o", "p"),), ipv6=True,
)  # fmt: skip
B = NetworkConfig("b2" * 32, "two", "bridge")
ON_A = replace(container("web"), id="1" * 64, endpoints=(EndpointConfig("one", A.id, "bridge"),))
IMAGE = Image(ON_A.image, "sha256:" + "b" * 64, 5, "", "linux/amd64", ("l",), ("c",))


@pytest.fixture
def metadata(tmp_path):
    opened = Metadata(f"{tmp_path}/db")
    opened.add_image(IMAGE, [ImageName("docker.io/library/x:latest", IMAGE.id, "sha256:d")])
    opened.networks.add(A)
    opened.networks.add(B)
    yield opened
    opened.close()


def test_what_goes_in_comes_out(metadata):
    table = metadata.networks
    assert table.get(A.id) == table.named("one") == A
    assert table.get("one") is None
    assert table.all() == [A, B]
    assert table.by_prefix("b2b2") == [B]
    assert table.by_prefix("") == [A, B]
    assert metadata.faults() == []


def test_a_name_has_one_network(metadata):
    with pytest.raises(AlreadyExists, match="network with name one already exists"):
        metadata.networks.add(replace(B, id="c" * 64, name="one"))
    assert metadata.networks.get("c" * 64) is None


def test_one_with_somebody_alive_on_it_stays(metadata):
    metadata.add_container(ON_A)
    table = metadata.networks
    assert table.users(A.id) == [ON_A.id]
    with pytest.raises(Conflict, match="has active endpoints"):
        table.remove(A.id, lambda id: id == ON_A.id)
    assert table.claim([A.id]) == [A]
    table.remove(A.id, lambda id: False)
    with pytest.raises(NoSuchNetwork, match=f"^network {A.id} not found$"):
        table.claim([B.id, A.id])
    # What does not live keeps it in mind, and forgets it when it goes.
    assert table.users(A.id) == [ON_A.id]
    metadata.remove_container(ON_A.id)
    assert table.users(A.id) == []


def test_joining_and_leaving(metadata):
    metadata.add_container(ON_A)
    table = metadata.networks
    table.join(ON_A.id, B.id)
    table.join(ON_A.id, B.id)
    assert table.users(B.id) == [ON_A.id]
    table.leave(ON_A.id, B.id)
    assert table.users(B.id) == []
    with pytest.raises(NoSuchNetwork):
        table.join(ON_A.id, "d" * 64)
