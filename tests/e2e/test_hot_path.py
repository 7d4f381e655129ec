"""What a start may load: a list of modules, not a timing."""

from __future__ import annotations

import os
import re
import shutil
import tomllib

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun

FORBIDDEN = {
    "click", "stevedore", "pluggy", "yaml", "requests", "pyroute2", "urllib3", "isal", "zstandard",
    "json", "re", "typing", "dataclasses", "inspect", "enum", "pathlib", "subprocess", "asyncio",
    "logging", "threading", "shutil", "tempfile", "contextlib", "decimal", "random", "string",
    "importlib.metadata", "socket", "signal", "hashlib", "datetime", "traceback", "tarfile",
    "ipaddress", "selectors", "locale", "weakref", "warnings", "copy", "uuid", "textwrap", "shlex",
    "urllib.parse", "base64", "glob", "fnmatch", "gettext", "ast", "tokenize",
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


def test_on_a_network(warm):
    run = ("run", "--rm", HOST_IMAGE, "true")
    warm(*run)
    assert loaded(warm, *run) & FORBIDDEN == set()


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


class Watched:
    """A folder on the path whose sitecustomize notes what a command opens and imports."""

    def __init__(self, plugrun: Plugrun, folder: str) -> None:
        self._plugrun = plugrun
        self.folder = folder
        self._log = f"{folder}.log"
        with open(f"{folder}/sitecustomize.py", "w", encoding="utf-8") as file:
            file.write(NOTING)

    def __call__(self, *args: str) -> set[str]:
        """Run a command, its launch index made before; return what its processes load and open."""
        env = {"PYTHONPATH": self.folder, "NOTE_INTO": self._log}
        self._plugrun(*args, env=env)
        open(self._log, "w").close()
        self._plugrun(*args, env=env)
        with open(self._log, encoding="utf-8") as file:
            return {re.sub(r"[0-9a-f]{12,}|\d+", "N", line) for line in file if self._counts(line)}

    def _counts(self, line: str) -> bool:
        """What lies below the root has names of its container's own."""
        own = (f"open {self._plugrun.root}", f"open {self._plugrun.run_root}")
        return line.startswith(("import ", "open /")) and not line.startswith(own)


# The descriptor is one that nobody else gets: what comes after its end is not noted.
NOTING = """
import fcntl, os, sys
_fd = os.open(os.environ["NOTE_INTO"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
_high = fcntl.fcntl(_fd, fcntl.F_DUPFD_CLOEXEC, 900)
os.close(_fd)
def _note(event, args, _high=_high, _write=os.write):
    if event in ("open", "import"):
        try:
            _write(_high, f"{event} {args[0]}\\n".encode("utf-8", "replace"))
        except OSError:
            return
sys.addaudithook(_note)
"""


def install(warm: Plugrun, site: str, name: str, *, broken: bool = False) -> None:
    """Install a generated plugin as pip does, into one folder."""
    made = f"{site}.sources/{name}"
    warm("plugin", "new", "network", name, "--to", made)
    with open(f"{made}/pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    package = f"plugrun_{name.replace('-', '_')}"
    shutil.copytree(f"{made}/{package}", f"{site}/{package}")
    if broken:
        with open(f"{site}/{package}/plugin.py", "w", encoding="utf-8") as file:
            file.write("raise RuntimeError('broken')\n")
    info = f"{site}/{package}-{project['version']}.dist-info"
    os.mkdir(info)
    with open(f"{info}/METADATA", "w", encoding="utf-8") as file:
        file.write(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
    with open(f"{info}/entry_points.txt", "w", encoding="utf-8") as file:
        for group, points in project["entry-points"].items():
            lines = "".join(f"{key} = {value}\n" for key, value in points.items())
            file.write(f"[{group}]\n{lines}")


def test_plugins_that_nobody_names_cost_nothing(warm, tmp_path):
    bare, full = (tmp_path / name for name in ("bare", "full"))
    bare.mkdir()
    full.mkdir()
    for number in range(30):
        install(warm, str(full), f"unnamed-{number:02}", broken=number == 7)
    run = ("run", "--rm", "--network", "none", HOST_IMAGE, "true")
    without, among = Watched(warm, str(bare)), Watched(warm, str(full))
    opened = {line.replace("/bare", "/PATH") for line in without(*run)}
    assert "import plugrun.engine.run\n" in opened
    assert {line.replace("/full", "/PATH") for line in among(*run)} == opened
    # They are there: who asks for them finds them.
    listed = among("plugins")
    assert any("import plugrun_unnamed_N" in line for line in listed)
