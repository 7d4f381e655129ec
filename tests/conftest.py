"""What every kind of test may ask for."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Generator, Iterator

import hypothesis
import pytest
from plugrun.linux.mountinfo import mounts_beneath
from plugrun.store.metadata import Metadata

# So that test modules can say `from tests.registry import …` however pytest was started.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from tests.held import abandoned, delete, hold, unmount
from tests.registry import Registry, running_registry

# A shell's job in the background ignores them (POSIX), and so would every command that is to end by
# one of them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("plugrun", deadline=None)
hypothesis.settings.load_profile("plugrun")


_OWN_FOLDER = pytest.StashKey[tuple[str, int]]()
_KIND = "test"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--profile",
        metavar="NAME",
        help="of end-to-end tests, those with this profile of config/profiles; with the first one "
        "of them also those that name no profile",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Work in a folder of this run's own, kept if anything failed.

    By default all runs share one, in which each removes at its end what it takes for old: also
    what another, that just begins, has made, and mounts of one that was killed make that fail.
    Of runs that were killed the files are kept, and nothing stays mounted.
    """
    if not config.option.basetemp:
        if os.geteuid() == 0:
            for left in abandoned(_KIND):
                unmount(left)
        own = hold(_KIND)
        config.stash[_OWN_FOLDER] = own
        # pytest deletes what is there, and makes it anew: what is held must stay.
        config.option.basetemp = f"{own[0]}/t"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    own, held = session.config.stash.get(_OWN_FOLDER, ("", -1))
    if not own:
        return
    if exitstatus == pytest.ExitCode.OK:
        mounted = mounts_beneath([own])
        delete(own)
        assert mounted == [], "tests that passed left mounts"
    elif os.geteuid() == 0:
        unmount(own)
    os.close(held)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: what a test needs is installed by tools/setup."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def closed_databases(monkeypatch):
    """Close what a test opened in this process: a command's own ends with the command."""
    opened = []
    make = Metadata.__init__

    def remembered(self, path):
        make(self, path)
        if threading.current_thread() is threading.main_thread():
            opened.append(self)  # another thread's can be closed by that thread alone

    monkeypatch.setattr(Metadata, "__init__", remembered)
    yield
    for metadata in opened:
        metadata.close()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real registry on loopback, for the whole session: use a repository name of your own."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("no registry here: install docker-registry")
    with running_registry(str(tmp_path_factory.mktemp("registry")), program) as running:
        yield running
