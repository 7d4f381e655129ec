"""Third parties' projects: built as wheels, installed beside plugrun into a fresh environment.

What an author publishes must work as it is published: nothing here is on a path of ours.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECTS = sorted(os.path.basename(path) for path in glob.glob(f"{HERE}/plugrun-*"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment with plugrun and the projects, and a root."""

    folder: str

    def __call__(self, program, *args, code=0, env=None, **more):
        own = {"PLUGRUN_ROOT": f"{self.folder}/root", "PLUGRUN_RUN_ROOT": f"{self.folder}/run"}
        base = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            [f"{self.folder}/bin/{program}", *args], capture_output=True, text=True, check=False,
            timeout=280, env={**base, **own, **(env or {})}, **more,
        )  # fmt: skip
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout


def wheel(source, into):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", into, source],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """The environment, as a user makes it: all from wheels, and what they need from the index."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = str(tmp_path_factory.mktemp("thirdparty"))
    venv.create(folder, with_pip=True)
    wheels = f"{folder}/wheels"
    top = os.path.dirname(os.path.dirname(HERE))
    for source in (top, *(f"{HERE}/{name}" for name in PROJECTS)):
        wheel(source, wheels)
    found = Environment(folder)
    asked = [f"{name}[test]" for name in PROJECTS]
    found("pip", "install", "-q", "--disable-pip-version-check", f"--find-links={wheels}", *asked)
    yield found
    found("plugrun", "system", "prune", "-af")


@pytest.mark.parametrize("project", PROJECTS)
def test_it_keeps_its_contract(place, project):
    shutil.copytree(f"{HERE}/{project}/tests", tests := f"{place.folder}/tests/{project}")
    alone = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", place.folder)
    out = place("python", "-m", "pytest", "-q", *alone, tests)
    assert "passed" in out
    assert "skipped" not in out


@pytest.mark.parametrize("project", PROJECTS)
def test_it_imports_nothing_of_plugrun_but_what_it_may(project):
    allowed = re.compile(r"plugrun\.(api|testing)(\.|$)")
    own = project.replace("-", "_")
    for path in glob.glob(f"{HERE}/{project}/**/*.py", recursive=True):
        with open(path, encoding="utf-8") as file:
            names = re.findall(r"^\s*(?:from|import) (plugrun[\w.]*)", file.read(), re.MULTILINE)
        assert [n for n in names if not allowed.match(n) and n.split(".")[0] != own] == []


def test_plugins_lists_them_with_their_distribution(place):
    rows = [
        json.loads(line) for line in place("plugrun", "plugins", "--format", "json").splitlines()
    ]
    found = {row["Distribution"] for row in rows}
    assert {*PROJECTS, "plugrun"} <= found
    assert [row for row in rows if row["Works"] != "yes" and row["Distribution"] in PROJECTS] == []


def profile(place, text):
    path = f"{place.folder}/plugrun.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return {"PLUGRUN_CONFIG": path}


def test_the_audit_plugin_in_a_profile(place, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/motd").write_text("be kind\n")
    env = profile(
        place,
        "profile: audited\nprofiles:\n  audited:\n    extends: default\n    network: none\n"
        f"    hooks: [audit]\n    options: {{hooks: {{audit: {{log: {tmp_path}/log, "
        f"site: {tmp_path}/site, forbid: [host/true]}}}}}}\n",
    )
    image = "host:sh,cat,echo"
    script = "cat /run/site/motd; echo $AUDITED"
    assert place("plugrun", "run", "-q", "--name", "box", image, "sh", "-c", script, env=env) == (
        "be kind\nyes\n"
    )
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [line["what"] for line in lines if line["name"] == "box"]
    assert told[:2] == ["container create", "container attach"]
    assert "container start" in told
    assert told[-1] == "container die"
    place("plugrun", "rm", "box", env=env)


def test_an_option_of_a_wrong_kind_names_file_and_line(place):
    env = profile(
        place,
        "profile: p\nprofiles:\n  p:\n    extends: default\n    hooks: [audit]\n"
        "    options:\n      hooks:\n        audit:\n          lgo: x\n",
    )
    done = subprocess.run(
        [f"{place.folder}/bin/plugrun", "--root", f"{place.folder}/root", "run", "host:true"],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 125
    assert "plugrun.yaml:9" in done.stderr
    assert 'no option "lgo" (did you mean "log"?)' in done.stderr


def test_the_card_of_an_installed_one(place):
    card = place("plugrun", "plugin", "check", "audit")
    assert "## hooks `audit`" in card
    assert "| contract | kept: " in card
    assert "| distribution | plugrun-audit 0.3.0 |" in card


def test_one_that_lies_is_found_out(place, tmp_path):
    """A plugin that breaks its promise fails the promise's own test, by name."""
    package = tmp_path / "plugrun_liar"
    package.mkdir()
    (package / "__init__.py").write_text(
        "def plugrun_adjust_spec(spec):\n    spec['process']['env'].append(1)\n"
    )
    info = tmp_path / "plugrun_liar-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugrun-liar\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[plugrun.hooks.v1]\nliar = plugrun_liar\n")
    env = {"PYTHONPATH": str(tmp_path)}
    card = place("plugrun", "plugin", "check", "hooks", "liar", code=1, env=env)
    assert "NOT kept" in card
    assert "`test_what_it_makes_of_a_spec_is_one`" in card
