"""Which plugin: ``--plugrun-plugin NAME`` and, as JSON, ``--plugrun-options``.

``--plugrun-progress FD`` is a pipe that is told how far the suite is (``authoring.progress``).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from plugrun.plugins.loading import Plugin, load
from plugrun.plugins.options import check_options

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("plugrun plugin check")
    for name in ("plugin", "options", "address", "missing", "progress"):
        group.addoption(f"--plugrun-{name}", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to tell how far it is, if somebody listens."""
    if said := config.getoption("--plugrun-progress"):
        config.pluginmanager.register(_Telling(int(said)))


class _Telling:
    def __init__(self, pipe: int) -> None:
        os.set_inheritable(pipe, False)  # programs that tests start do not need it
        self._pipe = pipe
        self._failed = False

    def _tell(self, line: str) -> None:
        os.write(self._pipe, f"{line}\n".encode())

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tell(f"total {len(session.items)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._tell(f"{'failed' if self._failed else 'done'} {nodeid.rpartition('::')[2]}")
        self._failed = False

    def pytest_unconfigure(self) -> None:
        self._tell("end")


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
