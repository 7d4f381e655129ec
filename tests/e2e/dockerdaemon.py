"""A docker daemon of our own, with everything it keeps under one folder."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

PATIENCE = 60
Engine = Callable[..., subprocess.CompletedProcess]

_CONTAINERD = """version = 2
root = "{top}/ctr"
state = "{top}/ctr-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{top}/ctr.sock"
"""


def need(*programs: str) -> None:
    """Skip a test for which a program is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here: install docker.io and podman")


@contextlib.contextmanager
def docker_daemon(parent: str, *options: str, alone: bool = True) -> Iterator[Engine]:
    """Run dockerd with these options besides; ``parent`` is the cgroup of its containers.

    It is in a network namespace of its own, unless it is not to be ``alone``: then it reaches this
    machine's registries, and touches nothing of the network.
    """
    need("dockerd", "containerd", "docker")
    # Sockets have short names.
    top = tempfile.mkdtemp(prefix="plugrun-docker-")
    with open(f"{top}/ctr.toml", "w", encoding="utf-8") as file:
        file.write(_CONTAINERD.format(top=top))
    own = ["--data-root", f"{top}/data", "--exec-root", f"{top}/run", "--pidfile", f"{top}/pid"]
    own += ["--host", f"unix://{top}/docker.sock", "--containerd", f"{top}/ctr.sock"]
    own += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", parent]
    own += ["--bridge", "none", "--iptables=false", "--storage-driver", "overlay2", *options]
    own += [] if alone else ["--ip-forward=false", "--ip-masq=false"]
    words = ["containerd", "--config", f"{top}/ctr.toml"]
    containerd = _daemon(words, f"{top}/ctr.sock", f"{top}/ctr.log", alone=alone)
    try:
        words = ["dockerd", *own]
        dockerd = _daemon(words, f"{top}/docker.sock", f"{top}/dockerd.log", alone=alone)
        try:
            yield caller(["docker", "-H", f"unix://{top}/docker.sock"], top)
        finally:
            dockerd.terminate()
            dockerd.wait(PATIENCE)
    finally:
        containerd.terminate()
        containerd.wait(PATIENCE)
        unmount(top)
        shutil.rmtree(top)
        remove_cgroups(parent[1:])


def caller(base: list[str], top: str) -> Engine:
    """Return what calls an engine's command and checks its code; ``top`` is its home."""

    def call(*words: str, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [*base, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "HOME": top, "DOCKER_BUILDKIT": "0"},
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done

    return call


def _daemon(words: list[str], path: str, log: str, *, alone: bool) -> subprocess.Popen:
    words = ["unshare", "--net", *words] if alone else words
    with open(log, "wb") as output:
        running = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _listens(path, running)
    except BaseException:
        running.kill()
        running.wait()
        raise
    return running


def _listens(path: str, daemon: subprocess.Popen) -> None:
    """Wait until a daemon takes connections."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and daemon.poll() is None:
        with socket.socket(socket.AF_UNIX) as sock:
            if sock.connect_ex(path) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"{daemon.args[0]} does not listen on {path}")  # type: ignore[index]


def unmount(top: str) -> None:
    """Unmount all that is below a folder."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        places = [line.split(" ")[4] for line in file]
    for place in sorted((p for p in places if p.startswith(f"{top}/")), reverse=True):
        subprocess.run(["umount", "-l", place], check=True)


def remove_cgroups(parent: str) -> None:
    """Remove an engine's groups; podman's monitors leave theirs a moment after its commands."""
    limit = time.monotonic() + PATIENCE
    while left := glob.glob(f"/sys/fs/cgroup/**/{parent}/", recursive=True):
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        assert time.monotonic() < limit, f"processes are left in {left}"
        time.sleep(0.01)
