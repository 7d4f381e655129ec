"""The contract of transports, on an installed one and an image that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plugrun.testing.transport import TransportSuite as Contract


class TestTransport(Contract):
    """All of it that can be asked of one that gives images."""

    @pytest.fixture
    def transport(
        self, request: pytest.FixtureRequest, opened: Callable[..., Any]
    ) -> Iterator[Any]:
        """Open the address that is there."""
        found = opened("transport", address=request.config.getoption("--plugrun-address"))
        assert found is not None, "it does not take this address"
        yield found
        found.close()

    @pytest.fixture
    def missing_transport(
        self, request: pytest.FixtureRequest, opened: Callable[..., Any]
    ) -> Iterator[Any]:
        """Open the address that is not."""
        found = opened("transport", address=request.config.getoption("--plugrun-missing"))
        assert found is not None, "it does not take this address"
        yield found
        found.close()
