"""What a start may load: a list of modules, not a timing."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun

FORBIDDEN = {
    "click", "stevedore", "pluggy", "yaml", "requests", "pyroute2", "urllib3", "isal", "zstandard",
    "json", "re", "typing", "dataclasses", "inspect", "enum", "pathlib", "subprocess", "asyncio",
    "logging", "threading", "shutil", "tempfile", "contextlib", "decimal", "random", "string",
    "importlib.metadata", "socket", "signal", "hashlib", "datetime", "traceback", "tarfile",
}  # fmt: skip
# functools and collections are not among them: CPython's _sqlite3 loads both for its own use.


def loaded(plugrun: Plugrun, *args: str) -> set[str]:
    """Return the modules that a command and all its children import."""
    done = plugrun(*args, env={"PYTHONPROFILEIMPORTTIME": "1"})
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture
def warm(plugrun: Plugrun) -> Plugrun:
    """With the image here and the launch index made."""
    plugrun("run", "--rm", "--network", "none", HOST_IMAGE, "true")
    return plugrun


def test_run(warm):
    found = loaded(warm, "run", "--rm", "--network", "none", "-e", "A=1", HOST_IMAGE, "true")
    assert "plugrun.engine.run" in found
    assert found & FORBIDDEN == set()
    assert not any(name.startswith("plugrun_isolation_oci") for name in found)


def test_mounts(warm, tmp_path):
    mounts = ("-v", f"{tmp_path}:/a:ro", "-v", "hot:/b", "-v", "/c")
    found = loaded(warm, "run", "--rm", "--network", "none", *mounts, HOST_IMAGE, "true")
    assert found & FORBIDDEN == set()
    assert "plugrun.engine.volumes.volumes" not in found
    warm("volume", "rm", "hot")


def test_run_d_and_exec(warm):
    args = ("run", "-d", "--name", "hot", "--network", "none", HOST_IMAGE, "sleep", "100")
    found = loaded(warm, *args)
    assert found & FORBIDDEN == set()
    found = loaded(warm, "exec", "hot", "true")
    assert "plugrun.engine.execs.exec" in found
    assert found & FORBIDDEN == set()


def test_create_and_start(warm):
    args = ("create", "--name", "hot", "--network", "none", HOST_IMAGE, "sleep", "100")
    found = loaded(warm, *args)
    assert "plugrun.engine.create_only" in found
    assert found & FORBIDDEN == set()
    found = loaded(warm, "start", "hot")
    assert "plugrun.engine.begin" in found
    assert found & FORBIDDEN == set()


def test_only_the_named_backends_load(warm):
    found = loaded(warm, "run", "--rm", "--network", "none", HOST_IMAGE, "true")
    assert not any(
        name.startswith(("plugrun_registry", "plugrun_host", "plugrun_archive")) for name in found
    )
