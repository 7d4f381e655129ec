"""What all network contracts stand on: hosts, containers, networks."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from plugrun.interfaces.network import ADDRESSES, CONNECT, NAMES, NETWORKS, OUTBOUND, PORTS
from plugrun.linux import process
from plugrun.model.network import Attachment, Endpoint, NetworkConfig
from plugrun.testing.network.place import Place, Waiting, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from plugrun.interfaces.network import Network

    F = TypeVar("F", bound=Callable[..., object])

HOST, WORLD = "198.51.100.1", "198.51.100.2"  # TEST-NET-2, RFC 5737
HOST6, WORLD6 = "2001:db8::1", "2001:db8::2"  # RFC 3849


def needs(*words: str) -> Callable[[F], F]:
    """Mark a test as one for networks that can do certain things."""

    def mark(test: F) -> F:
        test.needs = frozenset(words)  # type: ignore[attr-defined]
        return test

    return mark


class NetworkFixtures:
    """A host of the suite's own, another host beside it, and containers.

    ``capabilities`` are the network's. Tests of anything else are not there: in CI, a skip would be
    a failure.
    """

    capabilities: frozenset[str] = frozenset((ADDRESSES, CONNECT, NAMES, NETWORKS, OUTBOUND, PORTS))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in dir(cls):
            if getattr(getattr(cls, name), "needs", frozenset()) - cls.capabilities:
                setattr(cls, name, None)

    @pytest.fixture
    def network(self) -> Iterator[Network]:
        """Return an opened network."""
        raise NotImplementedError("a subclass provides the fixture `network`")

    @pytest.fixture(autouse=True)
    def host(self) -> Iterator[None]:
        """Be in a namespace that stands for the host: the machine's own is left alone."""
        if os.geteuid() != 0:
            pytest.skip("a network namespace needs root")
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        process.unshare(process.CLONE_NEWNET)
        try:
            run("ip link set lo up")
            yield
        finally:
            process.setns(own, process.CLONE_NEWNET)
            os.close(own)

    @pytest.fixture
    def place(self, host: None) -> Iterator[Callable[[], Place]]:
        """Make network namespaces, as isolation makes them for containers."""
        made: list[Place] = []

        def make() -> Place:
            made.append(Place())
            return made[-1]

        yield make
        for one in made:
            one.close()

    @pytest.fixture
    def netns(self, place: Callable[[], Place]) -> str:
        """Return the path of one of them."""
        return place().path

    @pytest.fixture
    def world(self, place: Callable[[], Place]) -> Place:
        """Return another host, which the host has a cable to, and its default route."""
        other = place()
        # ip(8) knows namespaces by PID or by a name in /run/netns, so it is a process that waits.
        with Waiting(other) as waiting:
            run(f"ip link add cable type veth peer name far netns {waiting.pid}")
        run(
            f"ip address add {HOST}/24 dev cable",
            f"ip address add {HOST6}/64 dev cable nodad",
            "ip link set cable up",
        )
        other.run(
            f"ip address add {WORLD}/24 dev far",
            f"ip address add {WORLD6}/64 dev far nodad",
            "ip link set far up",
        )
        # Being asked, the kernel sees at once that there is a carrier.
        run("ip link show dev cable")
        other.run("ip link show dev far")
        return other


def an_id() -> str:
    """Return an ID such as containers and networks have."""
    return secrets.token_hex(32)


def made(network: Network, **fields: Any) -> NetworkConfig:
    """Create a network of a random ID."""
    return network.create(NetworkConfig(an_id(), "suite", "suite", **fields))


def address_of(attachment: Attachment, *, v6: bool = False) -> str:
    """Return an attachment's address, without its prefix's length."""
    found = [one for one in attachment.addresses if (":" in one) == v6]
    return found[0].partition("/")[0]


def attached(network: Network, place: Place, config: NetworkConfig, **fields: Any) -> Attachment:
    """Attach a container of a random ID."""
    return network.attach(Endpoint(an_id(), config, **fields), place.path)


def let_go(attachment: Attachment) -> None:
    """Close what an attachment holds, as the end of whoever attached does."""
    for fd in attachment.held:
        os.close(fd)
