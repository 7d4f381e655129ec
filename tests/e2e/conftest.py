"""The real command, once per profile in config/profiles, on a real registry and a real root."""

from __future__ import annotations

import binascii
import contextlib
import glob
import io
import json
import os
import select
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.engine.reset import reset
from plugrun.errors import PlugrunError
from plugrun_network_bridge.plugin import plugrun_open_network

from tests.held import delete, held_folder
from tests.registry import MadeImage, Registry, make_image

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROFILES = sorted(glob.glob(f"{TOP}/config/profiles/*.yaml"))
PROGRAM = os.path.join(os.path.dirname(sys.executable), "plugrun")
HOST_IMAGE = "host:sh,cat,ls,sleep,id,env,mount,touch,dd,kill,true,chmod,mkdir,stat,head,mknod"
PATIENCE = 120
ENDING = 10


@dataclass(frozen=True)
class Plugrun:
    """The command on one root, with one profile."""

    config: str
    root: str
    run_root: str

    @property
    def argv(self) -> list[str]:
        own = ["--root", self.root, "--run-root", self.run_root, "--config", self.config]
        return [PROGRAM, *own]

    @property
    def run_root_of_root(self) -> str:
        """This root's own folder under the run root."""
        return f"{self.run_root}/{binascii.crc32(self.root.encode()):08x}"

    def __call__(
        self, *args: str, code: int | None = 0, input: str | None = None, env: dict | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; fail unless it returns ``code`` (None: whatever)."""
        done = subprocess.run(
            [*self.argv, *args],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, **(env or {})},
            check=False,
        )
        if code is not None:
            assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done

    def out(self, *args: str, **more) -> str:
        """Return what it prints, without the last newline."""
        return self(*args, **more).stdout.removesuffix("\n")

    def start(self, *args: str, **more) -> subprocess.Popen[str]:
        """Start it and go on."""
        pipe = subprocess.PIPE
        more = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **more}
        return subprocess.Popen([*self.argv, *args], text=True, **more)

    def inspect(self, name: str) -> dict:
        found = json.loads(self.out("inspect", name))
        return found[0]

    def remove_all(self) -> None:
        for id in self.out("ps", "-aq").split():
            self("rm", "-f", id)
        self("volume", "prune", "-a", "-f")


def traces(root: str) -> list[str]:
    """Return mounts and processes that speak of a root; those that are just ending have ended."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        found = [line for line in file if root in line]
    return found + [f"{pid}: {words}" for pid, words in processes(root) if not ends(pid)]


def processes(root: str) -> Iterator[tuple[int, list[bytes]]]:
    """Yield PID and command line of other processes that speak of a root."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if any(root.encode() in word for word in words):
                    yield int(entry), words


def ends(pid: int) -> bool:
    """Wait a while for a process to end, as what serves a mount does when that has gone."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], ENDING)[0])
    finally:
        os.close(fd)


def cgroups_of(ids: set[str]) -> list[str]:
    return [path for id in ids for path in glob.glob(f"/sys/fs/cgroup/**/{id}", recursive=True)]


@contextlib.contextmanager
def fresh_root(config: str) -> Iterator[Plugrun]:
    """A root of its own; whatever a test left running is ended, and leaks are failures."""
    with folder_of_root() as top:
        tool = Plugrun(config, f"{top}/root", f"{top}/run")
        try:
            yield tool
            ids = set(tool.out("ps", "-aq", "--no-trunc").split())
            tool.remove_all()
            assert traces(top) == []
            assert cgroups_of(ids) == []
        finally:
            remove_bridges(tool)


def folder_of_root() -> contextlib.AbstractContextManager[str]:
    """Return a folder for a root and its run root."""
    return held_folder("e2eroot", end=_end_root)


def _end_root(top: str) -> None:
    """End what a run that was killed left: containers run on, and bridges hold their subnets."""
    left = GlobalOptions(f"{top}/root", f"{top}/run", PROFILES[0])
    try:
        if os.path.isdir(left.root):
            reset(open_engine(left))
        delete(top)
    except (PlugrunError, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{top} of a run that was killed is left: {error}\n")


def remove_bridges(tool: Plugrun) -> None:
    """Take from the host what the default network, which stays with its root, made there."""
    state = f"{tool.run_root_of_root}/network/bridge"
    if os.path.isdir(state):
        plugrun_open_network(state, {}).sweep(frozenset())


def profile_named(path: str) -> str:
    return os.path.basename(path)[:-5]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one profile's tests, if one was asked for: several runs of pytest share the work."""
    wanted = config.getoption("profile")
    if wanted is None:
        return
    names = [profile_named(path) for path in PROFILES]
    if wanted not in names:
        raise pytest.UsageError(f"no profile {wanted} in config/profiles: {', '.join(names)}")
    ours = [item for item in items if str(item.path).startswith(f"{HERE}/")]
    others = [item for item in ours if profile_of(item, names[0]) != wanted]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def profile_of(item: pytest.Item, otherwise: str) -> str:
    call = getattr(item, "callspec", None)
    return profile_named(call.params["cell"]) if call and "cell" in call.params else otherwise


@pytest.fixture(scope="session", params=PROFILES, ids=profile_named)
def cell(request: pytest.FixtureRequest) -> str:
    """One profile file."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return request.param


@pytest.fixture(scope="session")
def shared(cell: str) -> Iterator[Plugrun]:
    """A root for tests that leave nothing behind."""
    with fresh_root(cell) as tool:
        yield tool


@pytest.fixture
def plugrun(shared: Plugrun) -> Iterator[Plugrun]:
    """The command; containers that a test leaves are removed."""
    yield shared
    shared.remove_all()


@pytest.fixture
def alone(cell: str) -> Iterator[Plugrun]:
    """The command on a root that nothing has used before."""
    with fresh_root(cell) as tool:
        yield tool


@pytest.fixture(scope="session")
def debian_tar() -> bytes:
    """A real Debian root file system, made by debootstrap (`tools/setup debian-root`)."""
    root = f"{TOP}/.cache/debian"
    if not os.path.exists(f"{root}/.complete"):
        pytest.skip("no Debian root: run tools/setup debian-root")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(root, arcname=".", filter=_without_mark)
    return buffer.getvalue()


def _without_mark(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if info.name == "./.complete" else info


def layer(*entries: tuple[str, bytes | None, int]) -> bytes:
    """Return a tar; an entry is name, content (None: a folder) and mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data, mode in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def debian_image(debian_tar: bytes) -> MadeImage:
    """Debian with two layers more: one adds, one deletes."""
    added = layer(("srv/app", None, 0o755), ("srv/app/hello", b"#!/bin/sh\necho hello\n", 0o755))
    deleted = layer(("etc/.wh.motd", b"", 0o644), ("srv/second", b"2\n", 0o640))
    config = {
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "FROM_IMAGE=yes"],
        "Cmd": ["/srv/app/hello"],
        "WorkingDir": "/srv/app",
        "Labels": {"made": "here"},
    }
    return make_image([debian_tar, added, deleted], config)


@pytest.fixture(scope="session")
def debian(registry: Registry, debian_image: MadeImage) -> str:
    """Its reference in the registry."""
    return registry.push("e2e/debian", debian_image, "12")


@pytest.fixture
def ended_by_test() -> Iterator[list[subprocess.Popen]]:
    """Processes put in here are ended with the test."""
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
