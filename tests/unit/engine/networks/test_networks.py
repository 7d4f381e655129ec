"""Networks in the engine: found, decided, made, removed, and what containers are told of them."""

from __future__ import annotations

import os

import pytest
from plugrun.engine.engine import Engine
from plugrun.engine.etcfiles import write_etc_files
from plugrun.engine.networks.attach import (
    attach,
    claim_networks,
    detach_all,
    endpoint_of,
    gateway_network,
)
from plugrun.engine.networks.attached import is_attached, read_attached
from plugrun.engine.networks.connect import connect, disconnect
from plugrun.engine.networks.create import create_network
from plugrun.engine.networks.decide import decide_networks
from plugrun.engine.networks.document import network_document
from plugrun.engine.networks.find import (
    all_networks,
    default_network,
    find_network,
    fixed_id,
    sole_network,
)
from plugrun.engine.networks.ports import exposed, published
from plugrun.engine.networks.remove import prune_networks, remove_network
from plugrun.engine.request import GlobalOptions, RunRequest
from plugrun.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NoSuchContainer,
    NoSuchNetwork,
)
from plugrun.interfaces.network import ADDRESSES, CONNECT, NETWORKS, PORTS
from plugrun.linux.filesystem import make_private
from plugrun.model.container import BackendChoice
from plugrun.model.image import Image, ImageName
from plugrun.model.network import Attachment, EndpointConfig, NetworkConfig, Port, Subnet
from plugrun.model.record import replace

from tests.unit.cli.examples import container

WEB = replace(container("web"), id="1" * 64, hostname="1" * 12, network="default", mounts=())
IMAGE = Image(WEB.image, "sha256:" + "b" * 64, 5, "", "linux/amd64", ("l",), ("c",))


class Wire:
    """A backend that writes down what it is asked, and gives addresses in their order."""

    def __init__(self, *words):
        self.capabilities = frozenset(words)
        self.said = []
        self.count = 0
        self.taken = (666,)

    def create(self, network, others=()):
        self.said.append(("create", network.name, tuple(one.name for one in others)))
        if network.subnets:
            return network
        cidr = f"10.{len(others)}.0.0/16"
        return replace(network, subnets=(Subnet(cidr, cidr.replace("0.0/16", "0.1")),))

    def remove(self, network):
        self.said.append(("remove", network.name))

    def attach(self, endpoint, netns):
        self.said.append(("attach", endpoint.network.name, endpoint.interface, endpoint.gateway))
        self.count += 1
        ports = [replace(p, host_address="0.0.0.0", host_port=p.host_port or 4000)
                 for p in endpoint.ports]  # fmt: skip
        for port in ports:
            if port.host_port in self.taken:
                raise Conflict(
                    f"Bind for 0.0.0.0:{port.host_port} failed: port is already allocated"
                )
        resolvers = ("127.0.0.11",) if endpoint.names else ()
        address = endpoint.ipv4 or f"10.9.9.{self.count}"
        held = tuple([os.open("/dev/null", os.O_RDONLY) for _ in ports])
        return Attachment(
            endpoint.interface, "02:42:00:00:00:01", (f"{address}/16",), ("10.9.0.1",),
            tuple(ports), resolvers, held, ("mended",),
        )  # fmt: skip

    def detach(self, container_id, network_id=""):
        self.said.append(("detach", container_id, network_id))


@pytest.fixture
def wire():
    return Wire(NETWORKS, PORTS, CONNECT)


@pytest.fixture
def engine(tmp_path, monkeypatch, wire):
    made = Engine(GlobalOptions(str(tmp_path), str(tmp_path)), f"{tmp_path}/r", f"{tmp_path}/run")
    make_private(made.root)
    make_private(made.run_root)
    choice = BackendChoice("wire", "1", "test")
    monkeypatch.setattr(Engine, "network_choice", lambda self: choice)
    monkeypatch.setattr(Engine, "network_named", lambda self, name: wire)
    told = []
    monkeypatch.setattr(Engine, "emit", lambda self, *event: told.append(event))
    made.told = told
    made.metadata.add_image(IMAGE, [ImageName("docker.io/library/x:latest", IMAGE.id, "sha256:d")])
    yield made
    made.close_metadata()


def asks(*networks, **more):
    first = networks[0].name if networks else more.pop("network", "")
    return RunRequest("x", network=first, networks=networks, **more)


def on(engine, *names, **more):
    """Return a container that is on networks, in the store and with its folder."""
    made = replace(WEB, **more)
    decided = decide_networks(engine, asks(*map(EndpointConfig, names)))
    made = replace(made, endpoints=decided.endpoints, network=decided.mode)
    engine.metadata.add_container(made)
    make_private(engine.container_folder(made.id))
    make_private(engine.task_folder(made.id))
    return made


def start(engine, made):
    return attach(engine, made, 1, claim_networks(engine, made))


def told_files(engine, made):
    folder = engine.container_folder(made.id)
    with open(f"{folder}/hosts") as hosts, open(f"{folder}/resolv.conf") as resolv:
        return hosts.read().splitlines()[6:], resolv.read()


# -- finding, making, removing ------------------------------------------------------------


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


# -- deciding -----------------------------------------------------------------------------


def test_who_names_none_is_on_the_default_network(engine):
    decided = decide_networks(engine, asks())
    (one,) = decided.endpoints
    assert (decided.mode, one.name, one.driver) == ("default", "bridge", "wire")
    assert decide_networks(engine, asks(network="bridge")).mode == "bridge"
    assert decide_networks(engine, asks(network="host")).endpoints == ()


def test_several_networks_with_what_is_asked_of_them(engine):
    create_network(engine, NetworkConfig("", "a", "", subnets=(Subnet("10.7.0.0/16", "10.7.0.1"),)))
    create_network(engine, NetworkConfig("", "b", ""))
    other = on(engine, "a", name="db", id="2" * 64)
    asked = EndpointConfig("a", ipv4="10.7.0.9", aliases=("x",), links=(("web", "db"),))
    decided = decide_networks(engine, asks(asked, EndpointConfig("b")))
    assert decided.mode == "a"
    assert [one.name for one in decided.endpoints] == ["a", "b"]
    assert decided.endpoints[0].links == (("web", other.id),)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (asks(network="container:"), "invalid container format container:<name|id>"),
        (asks(network="container:x", hostname="h"), "conflicting options: hostname and the netw"),
        (asks(network="container:x", dns=("1.1.1.1",)), "conflicting options: dns and the network"),
        (asks(network="container:x", extra_hosts=("a:1.1.1.1",)), "custom host-to-IP mapping"),
        (asks(network="container:x", ports=(Port(80),)), "port publishing and the container type"),
        (asks(network="container:x", publish_all=True), "port publishing and the container type"),
        (asks(network="container:x", exposed_ports=("8/tcp",)), "port exposing and the container"),
        (asks(EndpointConfig("container:x", mac="02:42:0a:63:00:99")), "mac-address and the netwo"),
        (asks(EndpointConfig("container:x", links=(("a", "b"),))), "container type network can't"),
        (asks(EndpointConfig("host", links=(("a", "b"),))), "host type networking can't be used"),
        (asks(EndpointConfig("host", ipv4="1.2.3.4")), "user specified IP address is supported on"),
        (asks(EndpointConfig("", ipv4="1.2.3.4")), "user specified IP address is supported on use"),
        (asks(EndpointConfig("", links=(("a", "nope"),))), "could not get container for nope: No "),
        (asks(EndpointConfig("mine", ipv4="banana")), "invalid IPv4 address: banana"),
        (asks(EndpointConfig("mine", ipv6="1.2.3.4")), "invalid IPv6 address: 1.2.3.4"),
        (asks(EndpointConfig("mine", ipv4="11.0.0.1")), "Invalid address 11.0.0.1: It does not be"),
        (asks(EndpointConfig("mine", ipv6="fd00::5")), "only when connecting to networks with use"),
        (asks(EndpointConfig("mine"), EndpointConfig("mine")), '"mine" is specified multiple time'),
    ],
)
def test_what_does_not_fit_together(engine, request_, message):
    create_network(engine, NetworkConfig("", "mine", ""))
    with pytest.raises(InvalidArgument) as raised:
        decide_networks(engine, request_)
    assert message in raised.value.message


def test_networks_and_containers_that_are_not_there(engine):
    with pytest.raises(NoSuchNetwork):
        decide_networks(engine, asks(network="nope"))
    with pytest.raises(NoSuchContainer):
        decide_networks(engine, asks(network="container:nope"))


def test_ports_need_a_backend_that_publishes_them(engine, wire):
    wire.capabilities = frozenset()
    with pytest.raises(InvalidArgument, match="wire publishes no ports"):
        decide_networks(engine, asks(ports=(Port(80),)))


# -- attaching ----------------------------------------------------------------------------


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


# -- connecting ---------------------------------------------------------------------------


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


def test_an_inspection_while_the_default_network_is_left(engine, monkeypatch):
    from plugrun.engine.inspect.network import network_settings

    create_network(engine, NetworkConfig("", "mine", ""))
    made = on(engine, "mine")
    start(engine, made)
    both = replace(made, endpoints=(*decide_networks(engine, asks()).endpoints, *made.endpoints))
    settings = network_settings(engine, both, 1)
    assert settings["IPAddress"] == ""
    assert settings["Networks"]["mine"]["IPAddress"] == "10.9.9.1"


@pytest.mark.parametrize("more", [{"aliases": ("a\nb",)}, {"links": (("a\x1b[1m", "web"),)}])
def test_names_that_would_break_a_line(engine, more):
    create_network(engine, NetworkConfig("", "mine", ""))
    with pytest.raises(InvalidArgument, match="invalid name on a network"):
        decide_networks(engine, asks(EndpointConfig("mine", **more)))


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
