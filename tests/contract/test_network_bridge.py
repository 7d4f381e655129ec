"""The bridge keeps the contract of networks."""

from __future__ import annotations

import os

import pytest
from plugrun.linux import process
from plugrun.testing.network import NetworkSuite as Contract
from plugrun_network_bridge.plugin import plugrun_open_network, plugrun_options

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(autouse=True)
def host():
    """A network namespace that stands for the host: the machine's own is left alone."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    process.unshare(process.CLONE_NEWNET)
    try:
        yield
    finally:
        process.setns(own, process.CLONE_NEWNET)
        os.close(own)


class TestBridge(Contract):
    @pytest.fixture
    def network(self, tmp_path):
        return plugrun_open_network(str(tmp_path), {})

    def test_has_no_options(self):
        assert plugrun_options() == ()
