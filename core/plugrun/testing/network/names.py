"""Names of containers."""

from __future__ import annotations

from plugrun.testing.network.fixtures import NetworkFixtures


class NameContract(NetworkFixtures):
    """Containers find each other by name."""
