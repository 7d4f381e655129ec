"""Third parties' projects: built as wheels, installed beside plugrun into a fresh environment.

What an author publishes must work as it is published: nothing here is on a path of ours.
"""

import contextlib
import glob
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import venv
from dataclasses import dataclass

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 850  # seconds: a whole contract runs in one command, and others beside it
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
            timeout=PATIENCE, env={**base, **own, **(env or {})}, **more,
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


@pytest.mark.timeout(PATIENCE + 50)
@pytest.mark.parametrize("project", PROJECTS)
def test_it_keeps_its_contract(place, project):
    shutil.copytree(f"{HERE}/{project}/tests", tests := f"{place.folder}/tests/{project}")
    alone = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", place.folder)
    alone += ("--basetemp", f"{place.folder}/tmp-{project}")
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


def left_over(place):
    """Return what is mounted of the root here, and the loop devices that show its files."""
    with open("/proc/self/mountinfo") as file:
        found = [line for line in file if f"{place.folder}/root" in line]
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(path) as file:  # it may go meanwhile
            found += [line for line in file if line.startswith(place.folder)]
    return found


IMAGE = "host:sh,cat,ls,rm,echo,sleep"


@pytest.fixture(params=[False, True], ids=["files", "loop"])
def erofs(place, request):
    """A profile of the EROFS storage; afterwards nothing is mounted and nothing is wrong."""
    loop = str(request.param).lower()
    env = profile(
        place,
        "profile: packed\nprofiles:\n  packed:\n    extends: default\n    network: none\n"
        f"    storage: erofs\n    options: {{storage: {{erofs: {{loop: {loop}}}}}}}\n",
    )
    yield env
    names = place("plugrun", "ps", "-aq", env=env).split()
    if names:
        place("plugrun", "rm", "-f", *names, env=env)
    assert place("plugrun", "system", "check", env=env) == "Nothing is wrong.\n"
    end = time.monotonic() + 60
    while left := left_over(place):  # the kernel takes devices down behind the last close
        assert time.monotonic() < end, left


def test_containers_over_images(place, erofs, tmp_path):
    def plugrun(*args, code=0):
        return place("plugrun", *args, code=code, env=erofs)

    script = "echo $0 >/new; rm /bin/ls; cat /new; sleep 1000"
    for name in ("one", "two"):
        plugrun("run", "-q", "-d", "--name", name, IMAGE, "sh", "-c", script, name)
    assert plugrun("exec", "one", "sh", "-c", "echo more >/more; cat /more") == "more\n"
    (tmp_path / "file").write_text("copied\n")
    plugrun("cp", str(tmp_path / "file"), "two:/copied")
    assert "A /copied" in plugrun("diff", "two")
    assert "A /more" in plugrun("diff", "one")
    assert "A /copied" not in plugrun("diff", "one")
    plugrun("commit", "two", "packed")
    (tmp_path / "Dockerfile").write_text("FROM packed\nRUN echo built >/built\nCOPY file /\n")
    plugrun("build", "-q", "-t", "built", str(tmp_path))
    told = plugrun("run", "--rm", "built", "cat", "/copied", "/built", "/file")
    assert told == "copied\nbuilt\ncopied\n"
    data = json.loads(plugrun("inspect", "-f", "{{json .GraphDriver}}", "one"))
    assert data["Name"] == "erofs"
    assert all(path.endswith("/image") for path in data["Data"]["LowerDir"].split(":"))
    mapped = plugrun(
        "run", "--rm", "--userns=auto", IMAGE, "sh", "-c", "echo x >/etc/x; cat /etc/x"
    )
    assert mapped == "x\n"


def test_a_container_that_is_killed_leaves_nothing_mounted(place, erofs):
    """Its monitor too: then the next command cleans up."""
    place("plugrun", "run", "-q", "-d", "--name", "box", IMAGE, "sleep", "1000", env=erofs)
    pid = int(place("plugrun", "inspect", "-f", "{{.State.Pid}}", "box", env=erofs))
    with open(f"/proc/{pid}/stat") as file:
        monitor = int(file.read().rpartition(")")[2].split()[1])
    watched = [os.pidfd_open(each) for each in (monitor, pid)]
    for fd in watched:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [], 60)
        os.close(fd)
    state = place("plugrun", "inspect", "-f", "{{.State.Status}}", "box", env=erofs)
    assert state == "exited\n"
    assert place("plugrun", "ps", "-q", env=erofs) == ""


def test_a_pull_that_is_killed_leaves_nothing_half_made(place, erofs):
    """At whatever moment; the next command has the image."""
    for number in range(8):
        image = f"host:sh,cat,{('ls', 'rm', 'mv', 'cp', 'ln', 'mkdir', 'echo', 'sleep')[number]}"
        argv = [f"{place.folder}/bin/plugrun", "pull", "-q", image]
        own = {"PLUGRUN_ROOT": f"{place.folder}/root", "PLUGRUN_RUN_ROOT": f"{place.folder}/run"}
        pull = subprocess.Popen(argv, env={**os.environ, **own, **erofs}, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            pull.wait(0.05 + 0.1 * number)
        pull.kill()
        pull.wait()
        told = place(
            "plugrun", "run", "-q", "--rm", image, "sh", "-c", "echo $0", "fine", env=erofs
        )
        assert told == "fine\n"


def test_the_erofs_storage_in_a_matrix(place, tmp_path):
    path = tmp_path / "matrix.yaml"
    path.write_text("matrix: {storage: [overlay, erofs], network: [none]}\n")
    place(
        "plugrun", "matrix", "--require", "--matrix", str(path),
        "--json", str(tmp_path / "result.json"), "--",
        "plugrun", "run", "-q", "--rm", "host:echo", "echo", "hello",
    )  # fmt: skip
    cells = json.loads((tmp_path / "result.json").read_text())["cells"]
    assert sorted(cell["axes"]["storage"] for cell in cells) == ["erofs", "overlay"]
    assert {cell["state"] for cell in cells} == {"passed"}


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
