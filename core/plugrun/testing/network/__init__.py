"""The contract every network fulfils; see ``plugrun.interfaces.network``.

To use it, subclass and provide a fixture::

    from plugrun.testing.network import NetworkSuite as Contract

    class TestMyNetwork(Contract):
        capabilities = frozenset((OUTBOUND, ADDRESSES))  # all of them, if left out

        @pytest.fixture
        def network(self, tmp_path):  # opened with an empty state folder
            return plugrun_open_network(str(tmp_path), {})

It needs root and ip(8). Every test runs in a network namespace that stands for the host, with real
servers and clients in others; the machine's own is left alone.
"""

from __future__ import annotations

from plugrun.testing.network.addresses import AddressContract
from plugrun.testing.network.crashes import CrashContract
from plugrun.testing.network.life import LifeContract
from plugrun.testing.network.names import NameContract
from plugrun.testing.network.ports import PortContract
from plugrun.testing.network.ways import WayContract


class NetworkSuite(
    LifeContract, AddressContract, WayContract, PortContract, NameContract, CrashContract
):
    """All of the contract."""
