"""Roots with several storages in them, and images to move between them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from tests.e2e.conftest import (
    HOST_IMAGE,
    PATIENCE,
    PROFILES,
    cgroups_of,
    folder_of_root,
    fresh_root,
    layer,
    traces,
)
from tests.e2e.storages.others import MOODY, SECOND, Several, Site, built_in, write_config
from tests.registry import make_image

# Each is used beside overlay; "second" is a third party's.
OTHERS = [name for name in (*built_in(), "second") if name != "overlay"]


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path / "site")
    made.install("second", SECOND)
    monkeypatch.setenv("PYTHONPATH", str(made.folder))
    monkeypatch.syspath_prepend(str(made.folder))  # for engines in this process
    return made


@pytest.fixture
def several(tmp_path, site):
    """A root of its own, with a profile for each storage that bears its name."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    config = {name: name for name in ("overlay", *OTHERS)}
    path = write_config(tmp_path / "several.yaml", **config)
    with folder_of_root() as top:
        tool = Several(path, f"{top}/root", f"{top}/run")
        yield tool
        ids = set(tool.out("ps", "-aq", "--no-trunc").split())
        tool.remove_all()
        assert traces(top) == []
        assert cgroups_of(ids) == []


@pytest.fixture(params=OTHERS)
def other(request, several):
    """The command with another storage than overlay."""
    return several.of(request.param)


@pytest.fixture(scope="session")
def programs():
    """A tar of programs with their libraries: little to unpack, and enough to look around."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        tool("create", "--name", "programs", f"{HOST_IMAGE},find,rm,ln,sha256sum", "true")
        exported = subprocess.run(
            [*tool.argv, "export", "programs"], capture_output=True, check=True, timeout=PATIENCE
        )
    return exported.stdout


@pytest.fixture(scope="session")
def stacked(registry, programs):
    """An image with a deletion and an opaque folder."""
    below = layer(
        ("srv/kept", b"kept\n", 0o640),
        ("srv/gone", b"gone\n", 0o644),
        ("etc/more/one", b"1\n", 0o644),
    )
    above = layer(
        ("srv/.wh.gone", b"", 0o644),
        ("etc/more/.wh..wh..opq", b"", 0o644),
        ("etc/more/two", b"2\n", 0o644),
    )
    config = {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sh"]}
    return registry.push("e2e/stacked", make_image([programs, below, above], config), "1")


def snapshots(tool, storage):
    """Return every record that a storage keeps of images; all of them lie as c/KEY."""
    folder = f"{tool.root}/storage/{storage}/c"
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()


@pytest.fixture
def moody(several, site, tmp_path, monkeypatch):
    """The command with a list whose first storage works as long as a file is there."""
    mood = tmp_path / "mood"
    monkeypatch.setenv("MOOD", str(mood))
    site.install("moody", MOODY)
    config = write_config(tmp_path / "moody.yaml", list="[moody, overlay]", plain="overlay")
    return replace(several, config=config), mood
