"""A network backend that only writes down what it is asked, and containers on its networks."""

from __future__ import annotations

import os

from plugrun.engine.networks.attach import (
    attach,
    claim_networks,
)
from plugrun.engine.networks.decide import decide_networks
from plugrun.engine.request import RunRequest
from plugrun.errors import (
    Conflict,
)
from plugrun.linux.filesystem import make_private
from plugrun.model.image import Image
from plugrun.model.network import Attachment, EndpointConfig, Subnet
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
