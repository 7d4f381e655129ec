"""Other engines run containers through ``plugrun-oci``, unchanged: docker and podman."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator

import pytest
from plugrun.testing.isolation.bundle import make_rootfs

from tests.e2e.dockerdaemon import Engine, caller, docker_daemon, need, remove_cgroups, unmount

PROGRAM = os.path.join(os.path.dirname(sys.executable), "plugrun-oci")
PARENT = f"/plugrun-oci-{os.getpid()}"
IMAGE = "box:1"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root file system of busybox, as a tar."""
    folder = tmp_path_factory.mktemp("image")
    make_rootfs(str(folder / "root"))
    path = str(folder / "root.tar")
    with tarfile.open(path, "w") as archive:
        archive.add(str(folder / "root"), arcname=".")
    return path


@pytest.fixture(scope="module")
def docker(image: str) -> Iterator[Engine]:
    """A docker daemon of our own, whose default runtime is ours."""
    own = ("--add-runtime", f"plugrun={PROGRAM}", "--default-runtime", "plugrun")
    with docker_daemon(PARENT, *own) as call:
        call("import", image, IMAGE)
        yield call


@pytest.fixture(scope="module")
def podman(image: str) -> Iterator[Engine]:
    """Podman with a store of its own, whose runtime is ours."""
    need("podman", "conmon")
    top = tempfile.mkdtemp(prefix="plugrun-podman-")
    base = ["podman", "--root", f"{top}/root", "--runroot", f"{top}/run", "--tmpdir", f"{top}/tmp"]
    base += ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]
    base += ["--events-backend", "file", "--runtime", PROGRAM]
    try:
        call = caller(base, top)
        call("import", "-q", image, IMAGE)
        yield call
    finally:
        unmount(top)
        shutil.rmtree(top)
        remove_cgroups(PARENT[1:])


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def _run(engine: Engine, *words: str, code: int = 0) -> str:
    own = ["run", "--rm", "--network", "none", "--cgroup-parent", PARENT]
    return engine(*own, *words, code=code).stdout


def test_output_and_code(engine):
    assert _run(engine, IMAGE, "sh", "-c", "echo out; exit 7", code=7) == "out\n"
    _run(engine, IMAGE, "nosuch", code=127)
    _run(engine, IMAGE, "/etc", code=126)


def test_the_fence_is_asked_for_and_given(engine):
    text = _run(engine, "-u", "7:8", "--cap-drop", "ALL", IMAGE, "cat", "/proc/self/status")
    status = dict(line.split(":", 1) for line in text.splitlines())
    assert status["Uid"].split() == ["7"] * 4
    assert {name: int(status[name], 16) for name in ("CapEff", "CapBnd")} == {
        "CapEff": 0,
        "CapBnd": 0,
    }
    assert status["Seccomp"].strip() == "2"
    assert _run(engine, "--pids-limit", "33", IMAGE, "sh", "-c", _PIDS_MAX).strip() == "33"


_PIDS_MAX = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null || true"


def test_a_life(engine):
    words = ["--name", "one", "--network", "none", "--cgroup-parent", PARENT]
    engine("run", "-d", *words, IMAGE, "sh", "-c", "trap 'exit 9' TERM; sleep 1000 & wait")
    assert engine("exec", "one", "echo", "in").stdout == "in\n"
    engine("exec", "one", "sh", "-c", "exit 4", code=4)
    engine("pause", "one")
    assert engine("inspect", "-f", "{{.State.Status}}", "one").stdout == "paused\n"
    engine("unpause", "one")
    assert "sleep 1000" in engine("top", "one").stdout
    engine("stop", "one")
    assert engine("inspect", "-f", "{{.State.ExitCode}}", "one").stdout == "9\n"
    engine("start", "one")
    engine("rm", "-f", "one")


def test_a_read_only_root_with_places_to_write(engine):
    words = ["--read-only", "--tmpfs", "/scratch:size=1m", IMAGE, "sh", "-c"]
    assert _run(engine, *words, "echo in >/scratch/file && cat /scratch/file") == "in\n"
    _run(engine, *words, "echo in >/etc/file", code=1)


def test_a_terminal(engine):
    assert _run(engine, "-t", IMAGE, "tty").split() == ["/dev/pts/0"]


def test_docker_runs_its_network_hook(docker):
    """libnetwork gives a container its network through a prestart hook."""
    words = ["run", "--rm", "--network", "none", "--hostname", "named", IMAGE]
    assert docker(*words, "hostname").stdout == "named\n"
    assert docker(*words, "ls", "/sys/class/net").stdout.split() == ["lo"]
