"""pytest's ``plugrun`` fixture: containers in tests, with nothing to set up and nothing left.

Installed with plugrun as a plugin of pytest; a run that asks for no such fixture pays for no more
than this file.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.client.engine import Engine
    from plugrun.engine.reaper import Reaper

_MARK = "plugrun_profiles"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("plugrun", "containers by plugrun")
    group.addoption(
        "--plugrun-root",
        metavar="DIR",
        help="keep images in this folder from one session to the next (default: thrown away)",
    )
    group.addoption(
        "--plugrun-require",
        action="store_true",
        help="a profile that does not work here is a failure, not a skip",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers",
        f"{_MARK}(*names): run the test once with each of these profiles (fixture `plugrun`)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per profile of the mark nearest to it."""
    mark = metafunc.definition.get_closest_marker(_MARK)
    if mark is not None and "plugrun_profile" in metafunc.fixturenames:
        metafunc.parametrize("plugrun_profile", mark.args, indirect=True, scope="session")


@pytest.fixture(scope="session")
def plugrun_profile(request: pytest.FixtureRequest) -> str:
    """Name the profile in use; empty for the one that PLUGRUN_PROFILE or the files choose."""
    return str(getattr(request, "param", ""))


@pytest.fixture(scope="session")
def plugrun_session(
    request: pytest.FixtureRequest, plugrun_profile: str, _plugrun_reaper: Reaper
) -> Iterator[Engine]:
    """Return an engine for the whole session, for services that many tests use.

    Its root is below a temporary folder and goes with all containers at the end, also if pytest is
    killed. A profile whose backends do not work here skips the test, with the reason.
    """
    from plugrun.client.engine import Engine

    kept = request.config.getoption("--plugrun-root")
    if kept:
        # Both are kept: a root's networks have their state where it runs.
        root = os.path.join(kept, plugrun_profile or "default")
        run_root = f"{root}.run"
    else:
        top = tempfile.mkdtemp(dir=_plugrun_reaper.folder)
        root, run_root = f"{top}/root", f"{top}/run"
        config = os.environ.get("PLUGRUN_CONFIG", "")
        profile = plugrun_profile or os.environ.get("PLUGRUN_PROFILE", "")
        _plugrun_reaper.watch_root(root, run_root, config, profile)
    with Engine(root=root, run_root=run_root, profile=plugrun_profile) as engine:
        _check(engine, required=request.config.getoption("--plugrun-require"))
        yield engine
        for container in engine.containers():
            container.remove(force=True, volumes=True)


@pytest.fixture(scope="session")
def _plugrun_reaper() -> Iterator[Reaper]:
    if os.geteuid() != 0:
        pytest.skip("plugrun needs root")
    from plugrun.engine.reaper import Reaper

    reaper = Reaper(tempfile.mkdtemp(prefix="plugrun-pytest-"))
    yield reaper
    reaper.finish()


def _check(engine: Engine, *, required: bool) -> None:
    from plugrun.errors import BackendUnavailable, PluginError

    try:
        engine.command("info")
    except (BackendUnavailable, PluginError) as error:
        if required:
            raise
        pytest.skip(f"{error.message} ({error.hint})" if error.hint else error.message)


@pytest.fixture
def plugrun(plugrun_session: Engine) -> Iterator[Engine]:
    """Return the engine; containers that the test makes are gone after it."""
    before = {container.id for container in plugrun_session.containers()}
    yield plugrun_session
    for container in plugrun_session.containers():
        if container.id not in before:
            container.remove(force=True, volumes=True)
