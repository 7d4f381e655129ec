"""Images to docker and podman and back: what one saves, exports or pushes, the others take."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator

import pytest

from tests.registry import make_image, tar_of

from .conftest import PROFILES, Plugrun, fresh_root
from .dockerdaemon import Engine, caller, docker_daemon, need, unmount

FORMATS = ("docker-archive", "oci-archive")


@pytest.fixture(scope="module")
def plugrun() -> Iterator[Plugrun]:
    """The command on a root of its own, once for all profiles: this is about files and bytes."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with fresh_root(PROFILES[0]) as tool:
        yield tool


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    with docker_daemon(f"/plugrun-exchange-{os.getpid()}", alone=False) as call:
        yield call


@pytest.fixture(scope="module")
def podman() -> Iterator[Engine]:
    need("podman", "conmon")
    top = tempfile.mkdtemp(prefix="plugrun-podman-")
    base = ["podman", "--root", f"{top}/root", "--runroot", f"{top}/run", "--tmpdir", f"{top}/tmp"]
    base += ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]
    try:
        yield caller([*base, "--events-backend", "file"], top)
    finally:
        unmount(top)
        shutil.rmtree(top)


@pytest.fixture
def image(plugrun: Plugrun, registry) -> Iterator[str]:
    """An image of two layers and one more that was committed here, under the name ``ours:1``."""
    layers = [
        tar_of({"etc/": b"", "etc/old": b"old", "data": os.urandom(300_000)}),
        tar_of({"etc/new": b"new", "etc/.wh.old": b""}),
    ]
    config = {"Cmd": ["sh"], "Env": ["A=b", "PATH=/bin"], "Labels": {"one": "1"}}
    name = registry.push("exchange/base", make_image(layers, config), "1")
    plugrun("pull", "-q", name)
    plugrun("create", "--name", "made", name)
    plugrun("cp", "-", "made:/", input=_archive({"own": b"own"}))
    plugrun("commit", "-c", "LABEL two=2", "made", "ours:1")
    plugrun("rm", "made")
    yield "ours:1"
    for one in plugrun.out("images", "-aq", "--no-trunc").split():
        plugrun("rmi", "-f", one, code=None)


def _archive(files: dict[str, bytes]) -> str:
    return tar_of(files).decode("latin-1")


def facts(engine, name: str) -> tuple[str, list[str], dict]:
    """Return an image's ID, its DiffIDs and its labels, as an engine tells them."""
    said = engine("image", "inspect", name).stdout
    [told] = json.loads(said)
    id = told["Id"].removeprefix("sha256:")
    return id, told["RootFS"]["Layers"], told["Config"]["Labels"]


def names_in(path: str) -> set[str]:
    with tarfile.open(path) as archive:
        return {member.name.removeprefix("./").rstrip("/") for member in archive} - {"", "."}


def test_docker_loads_what_we_save_and_we_load_what_it_saves(plugrun, docker, image, tmp_path):
    ours = facts(plugrun, image)
    plugrun("save", "-o", f"{tmp_path}/ours.tar", image)
    assert "Loaded image: ours:1" in docker("load", "-i", f"{tmp_path}/ours.tar").stdout
    assert facts(docker, image) == ours
    docker("save", "-o", f"{tmp_path}/theirs.tar", image)
    plugrun("rmi", image)
    assert plugrun.out("load", "-i", f"{tmp_path}/theirs.tar") == "Loaded image: ours:1"
    assert facts(plugrun, image) == ours
    docker("rmi", image)


@pytest.mark.parametrize("form", FORMATS)
def test_podman_loads_what_we_save_and_we_load_what_it_saves(
    plugrun, podman, image, tmp_path, form
):
    ours = facts(plugrun, image)
    plugrun("copy", "-q", image, f"{form}:{tmp_path}/ours.tar:docker.io/library/ours:1")
    podman("load", "-q", "-i", f"{tmp_path}/ours.tar")
    assert facts(podman, image) == ours
    podman("save", "-q", "--format", form, "-o", f"{tmp_path}/theirs.tar", image)
    plugrun("rmi", image)
    assert "Loaded image: ours:1" in plugrun.out("load", "-i", f"{tmp_path}/theirs.tar")
    assert facts(plugrun, image) == ours
    podman("rmi", image)


def test_a_tree_that_one_exports_the_other_imports(plugrun, docker, image, tmp_path):
    plugrun("create", "--name", "tree", image)
    plugrun("export", "-o", f"{tmp_path}/ours.tar", "tree")
    wanted = names_in(f"{tmp_path}/ours.tar")
    assert {"own", "etc/new", "data"} <= wanted
    assert "etc/old" not in wanted
    id = docker("import", f"{tmp_path}/ours.tar", "tree:1").stdout.strip()
    docker("create", "--name", "tree", id, "x")
    docker("export", "-o", f"{tmp_path}/theirs.tar", "tree")
    assert wanted <= names_in(f"{tmp_path}/theirs.tar")
    plugrun("import", f"{tmp_path}/theirs.tar", "back:1")
    plugrun("rm", "tree")
    plugrun("create", "--name", "tree", "back:1", "x")
    plugrun("export", "-o", f"{tmp_path}/back.tar", "tree")
    assert wanted <= names_in(f"{tmp_path}/back.tar")
    plugrun("rm", "tree")
    docker("rm", "tree")
    docker("rmi", "tree:1")


def test_what_one_pushes_the_other_pulls(plugrun, docker, image, registry):
    ours = facts(plugrun, image)
    name = f"{registry.host}/exchange/pushed:1"
    plugrun("tag", image, name)
    plugrun("push", "-q", name)
    docker("pull", "-q", name)
    assert facts(docker, name) == ours
    again = f"{registry.host}/exchange/again:1"
    docker("tag", name, again)
    docker("push", again)
    plugrun("rmi", "-f", image, name)
    assert plugrun.out("pull", "-q", again) == again
    assert facts(plugrun, again) == ours
    docker("rmi", name, again)
