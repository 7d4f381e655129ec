"""Several storages beside each other in one root: nothing is lost by a switch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, PROFILES, cgroups_of, fresh_root, layer, traces
from tests.e2e.otherstorages import SECOND, Several, Site, built_in, write_config
from tests.registry import make_image

# Each is used beside overlay; "second" is a third party's.
OTHERS = [name for name in (*built_in(), "second") if name != "overlay"]
QUIET = ("--network", "none")


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path / "site")
    made.install("second", SECOND)
    monkeypatch.setenv("PYTHONPATH", str(made.folder))
    return made


@pytest.fixture
def several(tmp_path, site):
    """A root of its own, with a profile for each storage that bears its name."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    top = tempfile.mkdtemp(prefix="plugrun-e2e-")
    profiles = {name: name for name in ("overlay", *OTHERS)}
    tool = Several(write_config(tmp_path / "several.yaml", **profiles), f"{top}/root", f"{top}/run")
    try:
        yield tool
        ids = set(tool.out("ps", "-aq", "--no-trunc").split())
        tool.remove_all()
        assert traces(top) == []
        assert cgroups_of(ids) == []
    finally:
        shutil.rmtree(top)


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


SHOWN = "cd /; ls srv etc/more; cat srv/kept; find usr etc srv"


def snapshots(tool, storage):
    """Return every record that a storage keeps of images; all of them lie as c/KEY."""
    folder = f"{tool.root}/storage/{storage}/c"
    return set(os.listdir(folder)) if os.path.isdir(folder) else set()


def test_an_image_pulled_under_one_is_unpacked_for_another(several, other, stacked):
    run = ("run", "--rm", *QUIET)
    before = several.out(*run, stacked, "sh", "-c", SHOWN)
    assert "two" in before
    several.out("pull", "-q", stacked)
    done = other(*run, stacked, "sh", "-c", SHOWN)
    assert done.stdout.removesuffix("\n") == before
    assert f"Unpacking {stacked} for storage {other.profile}" in done.stderr
    assert "Pull" not in done.stderr
    assert other(*run, stacked, "true").stderr == ""


def test_q_is_silent(several, other):
    several("pull", HOST_IMAGE)
    assert other("run", "-q", "--rm", *QUIET, HOST_IMAGE, "true").stderr == ""
    id = other.out("create", HOST_IMAGE, "true")
    assert other.inspect(id)["Driver"] == other.profile


def test_it_needs_no_registry(several, other, stacked):
    several("pull", stacked)
    several("tag", stacked, "localhost:1/nobody/answers:1")
    args = ("run", "--rm", *QUIET, "localhost:1/nobody/answers:1", "cat", "/srv/kept")
    assert other.out(*args) == "kept"


def test_two_at_once_unpack_it_once(several, other, stacked):
    several("pull", stacked)
    started = [other.start("run", "--rm", *QUIET, stacked, "cat", "/srv/kept") for _ in range(3)]
    ends = [one.communicate(timeout=PATIENCE) for one in started]
    assert [out for out, _ in ends] == ["kept\n"] * 3
    assert sum("Unpacked" in error for _, error in ends) == 1
    keys = os.listdir(f"{other.root}/storage/{other.profile}/a")
    assert keys == []


def test_made_images_too(several, other, stacked):
    """What commit makes lies in one storage, and in the blobs."""
    script = "echo here >/made; rm -r /srv/kept /etc/more"
    several("run", "--name", "c1", *QUIET, stacked, "sh", "-c", script)
    several("commit", "c1", "made:1")
    several("rm", "c1")
    script = "cat /made; ls /srv; test ! -e /etc/more"
    assert other.out("run", "--rm", *QUIET, "made:1", "sh", "-c", script) == "here"
    # And the way back: made over an image that overlay has not unpacked in this form.
    other("run", "--name", "d1", *QUIET, "made:1", "sh", "-c", "echo more >>/made")
    several("commit", "d1", "made:2")
    assert several.out("run", "--rm", *QUIET, "made:2", "cat", "/made") == "here\nmore"
    assert other.out("run", "--rm", *QUIET, "made:2", "cat", "/made") == "here\nmore"


def test_a_commit_goes_into_the_storage_of_the_profile(several, other):
    other("run", "--name", "c1", *QUIET, HOST_IMAGE, "sh", "-c", "echo here >/made")
    several("commit", "c1", "made:1")
    assert several.out("run", "--rm", *QUIET, "made:1", "cat", "/made") == "here"


def test_a_volume_is_filled_from_the_storage_of_the_container(several, other, stacked):
    several("pull", stacked)
    args = ("run", "--rm", "-v", "filled:/srv", *QUIET, stacked, "cat", "/srv/kept")
    assert other.out(*args) == "kept"
    assert several.out(*args) == "kept"


def test_a_container_keeps_its_storage(several, other):
    several("run", "--name", "old", *QUIET, HOST_IMAGE, "sh", "-c", "echo 1 >>/n; cat /n")
    assert other("start", "-a", "old").stdout == "1\n1\n"
    assert other.inspect("old")["Driver"] == "overlay"
    assert other.out("diff", "old") == "A /n"
    other("rm", "old")


def test_rmi_frees_every_storage(several, other, stacked):
    several("pull", stacked)
    other("create", "--name", "user", stacked)
    assert snapshots(several, "overlay")
    assert snapshots(other, other.profile)
    refused = several("rmi", stacked, code=1)
    assert "is using its referenced image" in refused.stderr
    several("image", "prune", "-a", "-f")
    assert other("start", "-a", "user").returncode == 0
    other("rm", "user")
    several("rmi", stacked)
    assert snapshots(several, "overlay") == set()
    assert snapshots(other, other.profile) == set()


def blob_of(tool, image, number):
    manifest = tool.inspect(image)["Plugrun"]["Manifest"]
    with open(f"{tool.root}/blobs/sha256/{manifest[7:]}", encoding="utf-8") as file:
        digest = json.load(file)["layers"][number]["digest"]
    return f"{tool.root}/blobs/sha256/{digest[7:]}"


@pytest.mark.parametrize("damage", ["gone", "changed", "cut"])
def test_a_damaged_store_names_the_remedy(several, other, stacked, damage):
    several("pull", stacked)
    path = blob_of(several, stacked, 1)
    if damage == "gone":
        os.unlink(path)
    elif damage == "cut":
        os.truncate(path, os.stat(path).st_size - 1)
    else:
        with open(path, "r+b") as file:
            byte = file.read(1)
            file.seek(0)
            file.write(bytes((byte[0] ^ 255,)))
    failed = other("create", stacked, code=1)
    assert "cannot be unpacked: its blob sha256:" in failed.stderr
    assert f"plugrun pull {stacked}" in failed.stderr
    assert other.out("ps", "-aq") == ""
    # And the remedy is one, under whichever storage.
    several("pull", stacked)
    if damage != "gone":
        other("pull", stacked)
    assert other.out("run", "--rm", *QUIET, stacked, "cat", "/srv/kept") == "kept"
