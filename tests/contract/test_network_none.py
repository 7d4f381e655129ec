"""The network that joins nothing keeps the contract of networks."""

from __future__ import annotations

import pytest
from plugrun.testing.network import NetworkSuite as Contract
from plugrun_network_none.plugin import plugrun_open_network, plugrun_options


class TestNone(Contract):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {})

    def test_gives_no_address(self, network):
        attachment = network.attach("a" * 64, "/proc/self/ns/net")
        assert (attachment.addresses, attachment.gateway) == ((), "")

    def test_has_no_options(self):
        assert plugrun_options() == ()
