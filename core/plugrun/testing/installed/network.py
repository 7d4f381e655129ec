"""The contract of networks, on an installed one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugrun.testing.network import NetworkSuite as Contract


class TestNetwork(Contract):
    """All of it that the network claims to do, as its probe has found out for the check."""

    capabilities = frozenset(filter(None, os.environ["PLUGRUN_CHECKED_CAPABILITIES"].split(",")))

    @pytest.fixture
    def network(self, opened: Callable[..., Any], tmp_path: Path) -> Any:
        """Open it with an empty state folder."""
        return opened("network", state=str(tmp_path / "state"))
