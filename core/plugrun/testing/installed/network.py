"""The contract of networks, on an installed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugrun.testing.network import NetworkSuite as Contract


class TestNetwork(Contract):
    """All of it."""

    @pytest.fixture
    def network(self, opened: Callable[..., Any], tmp_path: Path) -> Any:
        """Open it with an empty state folder."""
        return opened("network", state=str(tmp_path / "state"))
