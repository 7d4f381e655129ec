"""The contract of isolations, on an installed one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugrun.testing.isolation import IsolationSuite as Contract


class TestIsolation(Contract):
    """All of it."""

    @pytest.fixture
    def isolation(self, opened: Callable[..., Any], tmp_path: Path) -> Any:
        """Open it with an empty state folder."""
        return opened("isolation", state=str(tmp_path / "state"))
