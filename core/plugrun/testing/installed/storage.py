"""The contract of storages, on an installed one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plugrun.testing.storage import StorageSuite as Contract


class TestStorage(Contract):
    """All of it."""

    @pytest.fixture
    def open_storage(self, opened: Callable[..., Any]) -> Any:
        """Open it with the root alone."""
        return lambda root: opened("storage", root=root)
