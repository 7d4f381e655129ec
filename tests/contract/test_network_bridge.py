"""The bridge keeps the contract of networks."""

from __future__ import annotations

import pytest
from plugrun.testing.network import NetworkSuite as Contract
from plugrun_network_bridge.plugin import plugrun_open_network, plugrun_options


class TestBridge(Contract):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {})

    def test_has_no_options(self):
        assert plugrun_options() == ()
