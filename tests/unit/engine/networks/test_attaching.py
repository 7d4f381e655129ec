"""Networks when a container starts, and what it is told of them."""

from __future__ import annotations

import pytest
from plugrun.engine.etcfiles import write_etc_files
from plugrun.engine.networks.attach import (
    claim_networks,
    detach_all,
    endpoint_of,
    gateway_network,
)
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.networks.create import create_network
from plugrun.engine.networks.decide import decide_networks
from plugrun.engine.networks.ports import exposed, published
from plugrun.errors import (
    Conflict,
    InvalidArgument,
)
from plugrun.model.network import Attachment, EndpointConfig, NetworkConfig, Port
from plugrun.model.record import replace

from tests.unit.engine.networks.wire import WEB, Wire, asks, on, start, told_files


def test_attaching_writes_down_what_came_of_it(engine, wire):
    create_network(engine, NetworkConfig("", "inner", "", internal=True))
    create_network(engine, NetworkConfig("", "outer", ""))
    made = on(engine, "inner", "outer", ports=(Port(80, "tcp", "", 8080),), domainname="d.e")
    attached = start(engine, made)
    assert (len(attached.held), attached.warnings) == (1, ("mended", "mended"))
    assert wire.said[-2:] == [("attach", "inner", "eth0", False), ("attach", "outer", "eth1", True)]
    found = read_attached(engine, made.id)
    assert [one.name for one in found.endpoints] == ["inner", "outer"]
    assert [p.host_port for one in found.endpoints for p in one.attachment.ports] == [8080]
    hosts, resolv = told_files(engine, made)
    assert hosts == [f"10.9.9.{n}\t111111111111.d.e 111111111111" for n in (1, 2)]
    assert resolv.splitlines()[-2:] == ["nameserver 127.0.0.11", "options ndots:0"]
    assert [event[1] for event in engine.told][-2:] == ["connect", "connect"]
    detach_all(engine, made)
    assert wire.said[-1] == ("detach", made.id, "")


def test_host_gateway_is_the_way_out_and_must_be_there(engine, monkeypatch):
    made = on(engine, extra_hosts=("here:host-gateway", "a:1.2.3.4"))
    write_etc_files(made, engine.container_folder(made.id))
    assert told_files(engine, made)[0] == ["1.2.3.4\ta"]
    start(engine, made)
    assert told_files(engine, made)[0][:2] == ["10.9.0.1\there", "1.2.3.4\ta"]
    monkeypatch.setattr(Wire, "attach", lambda *_: Attachment())
    with pytest.raises(InvalidArgument, match="unable to derive the IP value for host-gateway"):
        start(engine, made)


def test_nobody_has_a_name_on_the_default_network(engine):
    made = on(engine)
    (network,) = claim_networks(engine, made)
    endpoint = endpoint_of(made, made.endpoints[0], network, "eth0", is_gateway=True)
    assert (endpoint.names, endpoint.resolvers) == ((), ())
    mine = create_network(engine, NetworkConfig("", "mine", ""))
    asked = EndpointConfig("mine", mine.id, "wire", aliases=("al", "web"))
    named = endpoint_of(replace(made, hostname="box"), asked, mine, "eth0", is_gateway=True)
    assert named.names == ("web", "al", "1" * 12, "box")


def test_a_port_that_is_taken_is_dockers_error(engine):
    made = on(engine, ports=(Port(80, "tcp", "", 666),))
    with pytest.raises(Conflict) as raised:
        start(engine, made)
    head, _, tail = raised.value.message.partition(": ")
    assert head.startswith("driver failed programming external connectivity on endpoint web (")
    assert tail == "Bind for 0.0.0.0:666 failed: port is already allocated"
    assert read_attached(engine, made.id) is None


def test_links_on_the_default_network_are_lines_in_hosts(engine):
    database = on(engine, name="db", id="2" * 64, hostname="222222222222")
    made = on(engine)
    asked = replace(made.endpoints[0], links=(("alias", database.id),))
    made = replace(made, endpoints=(asked,))
    with pytest.raises(Conflict, match="Cannot link to a non running container: /db AS /web/alias"):
        start(engine, made)
    start(engine, database)
    start(engine, made)
    hosts, _ = told_files(engine, made)
    assert hosts == ["10.9.9.2\talias 222222222222 db", "10.9.9.3\t111111111111"]


def test_the_variables_of_links(engine):
    from plugrun.engine.networks.links import link_environment

    ports = ("70/tcp", "71/tcp", "53/udp")
    database = on(
        engine, name="db", id="2" * 64, exposed_ports=ports, env=("A=1", "PATH=/x", "HOME=/h")
    )
    made = on(engine)
    made = replace(made, endpoints=(replace(made.endpoints[0], links=(("my-db", database.id),)),))
    assert link_environment(engine, made) == ()
    start(engine, database)
    found = dict(text.split("=", 1) for text in link_environment(engine, made))
    assert found["MY_DB_PORT"] == "udp://10.9.9.1:53"
    assert found["MY_DB_PORT_70_TCP"] == "tcp://10.9.9.1:70"
    assert found["MY_DB_PORT_71_TCP_ADDR"] == "10.9.9.1"
    assert found["MY_DB_PORT_53_UDP_PROTO"] == "udp"
    assert (found["MY_DB_PORT_70_TCP_START"], found["MY_DB_PORT_70_TCP_PORT_END"]) == (
        "tcp://10.9.9.1:70",
        "71",
    )
    assert found["MY_DB_NAME"] == "/web/my-db"
    assert {key for key in found if "_ENV_" in key} == {"MY_DB_ENV_A"}


def test_which_ports_are_published():
    given = replace(WEB, ports=(Port(80, "tcp", "", 8080),), exposed_ports=("80/tcp", "70-71/udp"))
    assert published(given) == (Port(80, "tcp", "", 8080),)
    assert published(replace(given, publish_all=True)) == (
        Port(80, "tcp", "", 8080),
        Port(70, "udp"),
        Port(71, "udp"),
    )
    assert exposed("80") == [(80, "tcp")]
    assert exposed("80/UDP") == [(80, "udp")]
    endless = ("1-99999999999", "9" * 5000, "80-\u00b2", "80/\x1b[31m", "0")
    for nonsense in ("x", "80-", "-1/tcp", "", "70000", *endless):
        assert exposed(nonsense) == []


def test_the_gateway_is_the_first_that_is_not_internal():
    a, b = NetworkConfig("a", "a", "w", internal=True), NetworkConfig("b", "b", "w")
    assert gateway_network([a, b]) == "b"
    assert gateway_network([a]) == ""


def test_an_inspection_while_the_default_network_is_left(engine, monkeypatch):
    from plugrun.engine.inspect.network import network_settings

    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine")
    start(engine, made)
    both = replace(made, endpoints=(*decide_networks(engine, asks()).endpoints, *made.endpoints))
    settings = network_settings(engine, both, 1)
    assert settings["IPAddress"] == ""
    assert settings["Networks"]["mine"]["IPAddress"] == "10.9.9.1"


@pytest.mark.parametrize(
    ("host", "given", "options"),
    [
        ("nameserver 9.9.9.9\n", (), "ndots:0"),
        ("options a\noptions edns0 trust-ad\n", (), "edns0 trust-ad ndots:0"),
        ("options ndots:3\n", (), "ndots:3"),
        ("options edns0\n", ("timeout:2",), "timeout:2 ndots:0"),
        ("options edns0\n", ("ndots:2",), "ndots:2"),
    ],
)
def test_options_of_resolv_conf_beside_a_name_server_of_a_network(
    engine, monkeypatch, host, given, options
):
    from plugrun.engine.networks import etcfiles

    monkeypatch.setattr(etcfiles, "usual_resolv", lambda: host)
    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine", dns_options=given)
    start(engine, made)
    assert told_files(engine, made)[1] == f"nameserver 127.0.0.11\noptions {options}\n"


def test_an_empty_alias_is_no_name(engine):
    mine = create_network(engine, NetworkConfig("", "mine", ""))
    asked = EndpointConfig("mine", aliases=("", "al"))
    assert endpoint_of(WEB, asked, mine, "eth0", False).names == ("web", "al", "1" * 12)


def test_what_is_no_address_is_not_asked_for_names(monkeypatch):
    from plugrun.engine.networks import etcfiles

    text = "nameserver 9.9.9.9\nnameserver foo\nnameserver fe80::1%eth0\nnameserver 1.1\0\n"
    monkeypatch.setattr(etcfiles, "usual_resolv", lambda: text)
    assert etcfiles.own_resolvers(WEB) == ("9.9.9.9", "fe80::1%eth0")
