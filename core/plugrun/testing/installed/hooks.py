"""The contract of hook plugins, on an installed one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugrun.plugins.loading import load
from plugrun.plugins.options import check_options
from plugrun.testing.hooks import HooksSuite as Contract


class TestHooks(Contract):
    """All of it."""

    @pytest.fixture
    def plugin(self, request: pytest.FixtureRequest) -> Any:
        """Return what its entry point names."""
        [found] = load("hooks", [request.config.getoption("--plugrun-plugin")])
        return found.target

    @pytest.fixture
    def options(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        """Return its options, complete."""
        [found] = load("hooks", [request.config.getoption("--plugrun-plugin")])
        given = json.loads(request.config.getoption("--plugrun-options") or "{}")
        return check_options(found, given, {})
