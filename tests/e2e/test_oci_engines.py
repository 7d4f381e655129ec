"""Other engines run containers through ``plugrun-oci``, unchanged: docker and podman."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest
from plugrun.testing.isolation.bundle import make_rootfs

PROGRAM = os.path.join(os.path.dirname(sys.executable), "plugrun-oci")
PATIENCE = 60
PARENT = f"/plugrun-oci-{os.getpid()}"
IMAGE = "box:1"
Engine = Callable[..., subprocess.CompletedProcess]


def _need(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here: install docker.io and podman")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root file system of busybox, as a tar."""
    folder = tmp_path_factory.mktemp("image")
    make_rootfs(str(folder / "root"))
    path = str(folder / "root.tar")
    with tarfile.open(path, "w") as archive:
        archive.add(str(folder / "root"), arcname=".")
    return path


def _caller(base: list[str], top: str) -> Engine:
    def call(*words: str, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [*base, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "HOME": top},
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    return call


def _listens(path: str, daemon: subprocess.Popen) -> None:
    """Wait until a daemon takes connections."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and daemon.poll() is None:
        with socket.socket(socket.AF_UNIX) as sock:
            if sock.connect_ex(path) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"{daemon.args[0]} does not listen on {path}")  # type: ignore[index]


_CONTAINERD = """version = 2
root = "{top}/ctr"
state = "{top}/ctr-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{top}/ctr.sock"
"""


def _daemon(words: list[str], path: str, log: str) -> subprocess.Popen:
    """Start one in a network namespace of its own: it would flush the machine's firewall."""
    with open(log, "wb") as output:
        running = subprocess.Popen(
            ["unshare", "--net", *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _listens(path, running)
    except BaseException:
        running.kill()
        running.wait()
        raise
    return running


@pytest.fixture(scope="module")
def docker(image: str) -> Iterator[Engine]:
    """A docker daemon of our own, whose default runtime is ours."""
    _need("dockerd", "containerd", "docker")
    # Sockets have short names.
    top = tempfile.mkdtemp(prefix="plugrun-docker-")
    with open(f"{top}/ctr.toml", "w", encoding="utf-8") as file:
        file.write(_CONTAINERD.format(top=top))
    own = ["--data-root", f"{top}/data", "--exec-root", f"{top}/run", "--pidfile", f"{top}/pid"]
    own += ["--host", f"unix://{top}/docker.sock", "--containerd", f"{top}/ctr.sock"]
    own += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", PARENT]
    own += ["--bridge", "none", "--iptables=false", "--storage-driver", "overlay2"]
    own += ["--add-runtime", f"plugrun={PROGRAM}", "--default-runtime", "plugrun"]
    words = ["containerd", "--config", f"{top}/ctr.toml"]
    containerd = _daemon(words, f"{top}/ctr.sock", f"{top}/ctr.log")
    try:
        dockerd = _daemon(["dockerd", *own], f"{top}/docker.sock", f"{top}/dockerd.log")
        try:
            call = _caller(["docker", "-H", f"unix://{top}/docker.sock"], top)
            call("import", image, IMAGE)
            yield call
        finally:
            dockerd.terminate()
            dockerd.wait(PATIENCE)
    finally:
        containerd.terminate()
        containerd.wait(PATIENCE)
        _unmount(top)
        shutil.rmtree(top)
        _remove_cgroups(PARENT[1:])


@pytest.fixture(scope="module")
def podman(image: str) -> Iterator[Engine]:
    """Podman with a store of its own, whose runtime is ours."""
    _need("podman", "conmon")
    top = tempfile.mkdtemp(prefix="plugrun-podman-")
    base = ["podman", "--root", f"{top}/root", "--runroot", f"{top}/run", "--tmpdir", f"{top}/tmp"]
    base += ["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]
    base += ["--events-backend", "file", "--runtime", PROGRAM]
    try:
        call = _caller(base, top)
        call("import", "-q", image, IMAGE)
        yield call
    finally:
        _unmount(top)
        shutil.rmtree(top)
        _remove_cgroups(PARENT[1:])


def _unmount(top: str) -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split(" ")[4] for line in file]
    for place in sorted((p for p in places if p.startswith(f"{top}/")), reverse=True):
        subprocess.run(["umount", "-l", place], check=True)


def _remove_cgroups(parent: str) -> None:
    """Remove an engine's groups; podman's monitors leave theirs a moment after its commands."""
    limit = time.monotonic() + PATIENCE
    while left := glob.glob(f"/sys/fs/cgroup/**/{parent}/", recursive=True):
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        assert time.monotonic() < limit, f"processes are left in {left}"
        time.sleep(0.01)


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
