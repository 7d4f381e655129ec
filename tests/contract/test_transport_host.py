"""Images of this machine's own programs keep the contract of transports."""

from __future__ import annotations

import pytest
from plugrun.testing.transport import TransportSuite as Contract
from plugrun_host_programs.plugin import plugrun_open_transport


class TestHostPrograms(Contract):
    @pytest.fixture
    def transport(self):
        transport = plugrun_open_transport("host:sh,ls,cat", {})
        assert transport is not None
        yield transport
        transport.close()

    @pytest.fixture
    def missing_transport(self):
        transport = plugrun_open_transport("host:no-such-program-here", {})
        assert transport is not None
        yield transport
        transport.close()
