"""Which plugin: ``--plugrun-plugin NAME`` and, as JSON, ``--plugrun-options``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from plugrun.plugins.loading import Plugin, load
from plugrun.plugins.options import check_options

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("plugrun plugin check")
    for name in ("plugin", "options", "address", "missing"):
        group.addoption(f"--plugrun-{name}", default="")


def loaded(request: pytest.FixtureRequest, kind: str) -> Plugin:
    """Return the plugin in question."""
    [plugin] = load(kind, [request.config.getoption("--plugrun-plugin")])
    return plugin


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return what opens the plugin as plugrun would: by its hook, its options complete."""

    def opened(kind: str, **values: str) -> Any:
        plugin = loaded(request, kind)
        given = json.loads(request.config.getoption("--plugrun-options") or "{}")
        hook = getattr(plugin.manager.hook, f"plugrun_open_{kind}")
        return hook(**values, options=check_options(plugin, given, {}))

    return opened
