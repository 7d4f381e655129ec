"""The contract every network fulfils; see ``plugrun.interfaces.network``.

To use it, subclass and provide the fixtures::

    from plugrun.testing.network import NetworkSuite as Contract

    class TestMyNetwork(Contract):
        @pytest.fixture
        def network(self):  # opened with an empty state folder
            ...

The fixture ``netns`` makes an empty network namespace and needs root.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from plugrun.interfaces.backend import Probe
from plugrun.interfaces.network import ADDRESSES, CONNECT, NAMES, NETWORKS, OUTBOUND, PORTS
from plugrun.model.network import Attachment, Endpoint, NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.interfaces.network import Network

_WORDS = frozenset((ADDRESSES, CONNECT, NAMES, NETWORKS, OUTBOUND, PORTS))
_CONTAINER = "0123456789ab" * 5 + "cdef"
_CLONE_NEWNET = 0x40000000
# A process of its own: after a fork, the child of one with threads may do little.
_WAIT = """
import ctypes, os, sys
if ctypes.CDLL(None).unshare(int(sys.argv[1])) == 0:
    os.write(1, b".")
    os.read(0, 1)
"""


class NetworkSuite:
    """Inherit, provide the fixtures, run."""

    @pytest.fixture
    def network(self) -> Iterator[Network]:
        """Return an opened network."""
        raise NotImplementedError("a subclass provides the fixture `network`")

    @pytest.fixture
    def netns(self) -> Iterator[str]:
        """Return the path of a network namespace, which a waiting process keeps alive."""
        if os.geteuid() != 0:
            pytest.skip("a network namespace needs root")
        command = [sys.executable, "-I", "-S", "-c", _WAIT, str(_CLONE_NEWNET)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.read(1) == b".", "cannot make a network namespace"
            yield f"/proc/{process.pid}/ns/net"
            process.stdin.close()

    def test_declares_only_known_capabilities(self, network: Network) -> None:
        """Capabilities are the interface's words."""
        assert network.capabilities <= _WORDS

    def test_probe_works(self, network: Network) -> None:
        """A suite runs where the backend works; a probe can be repeated."""
        assert isinstance(network.probe(), Probe)
        assert network.probe().works, network.probe().reason

    def test_attach_says_what_the_container_got(self, network: Network, netns: str) -> None:
        """Addresses are in CIDR form and the gateways lie in their networks."""
        attachment = network.attach(_endpoint(network), netns)
        assert isinstance(attachment, Attachment)
        interfaces = [ipaddress.ip_interface(address) for address in attachment.addresses]
        for gateway in attachment.gateways:
            address = ipaddress.ip_address(gateway)
            assert any(address in interface.network for interface in interfaces)
        network.detach(_CONTAINER)

    def test_outbound_needs_an_address(self, network: Network, netns: str) -> None:
        """Who reaches other hosts has an address to reach them from."""
        attachment = network.attach(_endpoint(network), netns)
        assert attachment.addresses or OUTBOUND not in network.capabilities
        network.detach(_CONTAINER)

    def test_detach_can_be_repeated(self, network: Network, netns: str) -> None:
        """Cleaning up twice, or what was never attached, is no error."""
        network.attach(_endpoint(network), netns)
        network.detach(_CONTAINER)
        network.detach(_CONTAINER)
        network.detach("f" * 64)

    def test_attach_again_after_detach(self, network: Network, netns: str) -> None:
        """A restarted container is attached anew."""
        network.attach(_endpoint(network), netns)
        network.detach(_CONTAINER)
        network.attach(_endpoint(network), netns)
        network.detach(_CONTAINER)

    def test_nothing_stays_on_the_host(self, network: Network, netns: str) -> None:
        """After detach the host has the interfaces it had while nothing was attached."""
        network.attach(_endpoint(network), netns)
        network.detach(_CONTAINER)
        before = _interfaces()
        network.attach(_endpoint(network), netns)
        network.detach(_CONTAINER)
        assert _interfaces() == before


def _endpoint(network: Network) -> Endpoint:
    return Endpoint(_CONTAINER, network.create(NetworkConfig("5" * 64, "suite", "")))


def _interfaces() -> frozenset[str]:
    return frozenset(name for _, name in socket.if_nameindex())
