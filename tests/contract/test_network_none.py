"""The network that joins nothing keeps the contract of networks."""

from __future__ import annotations

import pytest
from plugrun.api import Endpoint, InvalidArgument, NetworkConfig, Port
from plugrun.testing.network import NetworkSuite as Contract
from plugrun_network_none.plugin import plugrun_open_network, plugrun_options


class TestNone(Contract):
    capabilities = frozenset()

    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {})

    def test_gives_no_address(self, network):
        joined = NetworkConfig("5" * 64, "suite", "none")
        attachment = network.attach(Endpoint("a" * 64, joined), "/proc/self/ns/net")
        assert (attachment.addresses, attachment.gateways) == ((), ())

    def test_what_it_cannot_give_is_refused(self, network):
        joined = NetworkConfig("5" * 64, "suite", "none")
        with pytest.raises(InvalidArgument, match="no ports"):
            network.attach(Endpoint("a" * 64, joined, ports=(Port(80),)), "/proc/self/ns/net")

    def test_has_no_options(self):
        assert plugrun_options() == ()
