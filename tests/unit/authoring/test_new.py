"""Projects to begin with: what is written, and what is refused."""

import os
import subprocess
import sys
import tomllib

import pytest
from plugrun.authoring.new import AUTHORED, new_project
from plugrun.cli.main import main
from plugrun.errors import AlreadyExists, InvalidArgument


def contract(folder, *more):
    """Run a project's own tests, as its author would after installing it in place."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *more,
         "--basetemp", f"{folder}-tmp", "--rootdir", str(folder), f"{folder}/tests"],
        env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", AUTHORED)
def test_a_new_project_is_whole(tmp_path, kind):
    files = new_project(kind, "two-words", str(tmp_path / "p"))
    assert {"pyproject.toml", "README.md", "tests/test_two_words.py"} < set(files)
    for path in files:
        text = (tmp_path / "p" / path).read_text()
        assert "$" not in text.replace("$GREETING", "")
        if path.endswith(".py"):
            compile(text, path, "exec")
    project = tomllib.loads((tmp_path / "p/pyproject.toml").read_text())["project"]
    assert project["name"] == "plugrun-two-words"
    points = project["entry-points"][f"plugrun.{kind}.v1"]
    assert points == {"two-words": "plugrun_two_words.plugin"}


@pytest.mark.parametrize("kind", ["hooks", "network", "transport"])
def test_it_keeps_its_contract_from_the_first_minute(tmp_path, kind):
    new_project(kind, "mine", str(tmp_path / "p"))
    done = contract(tmp_path / "p")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("storage", "remove"),
        ("isolation", "pause or exit"),
    ],
)
def test_so_do_those_whose_contract_is_long(tmp_path, kind, some):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    new_project(kind, "mine", str(tmp_path / "p"))
    done = contract(tmp_path / "p", "-k", some)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert " passed" in done.stdout


def test_one_that_breaks_its_promise_fails_helpfully(tmp_path):
    new_project("transport", "mine", str(tmp_path / "p"))
    path = tmp_path / "p/plugrun_mine/transport.py"
    path.write_text(path.read_text().replace("[offset:]", ""))
    done = contract(tmp_path / "p")
    assert done.returncode == 1
    assert "offset" in done.stdout


@pytest.mark.parametrize(
    "name", ["A", "1a", "-a", "a-", "a--b", "a_b", "a b", "../x", "é", "", "a" * 41]
)
def test_names_that_cannot_be(tmp_path, name):
    with pytest.raises(InvalidArgument, match=r"name|long"):
        new_project("storage", name, str(tmp_path / "p"))
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("storage", "overlay"), ("isolation", "ns"), ("transport", "host"), ("network", "none")],
)
def test_what_plugrun_has_itself_is_no_name_for_another(tmp_path, kind, name):
    with pytest.raises(AlreadyExists, match=f'{kind} plugin "{name}" is part of plugrun'):
        new_project(kind, name, str(tmp_path / "p"))
    assert not (tmp_path / "p").exists()
    new_project("hooks", name, str(tmp_path / "p"))  # of another kind it is no other's


def test_the_next_step_is_told_with_what_comes_before_it(tmp_path, capfd):
    folder = str(tmp_path / "p")
    assert main(["plugin", "new", "storage", "mine", "--to", folder]) == 0
    last = capfd.readouterr().out.split("\n\n")[-1]
    assert last.startswith(f"cd {folder}; pip install -e '.[test]'; pytest\n")
    assert "pip install PATH-OF-PLUGRUN first" in last
    assert "pip install PATH-OF-PLUGRUN" in (tmp_path / "p/README.md").read_text()


def test_kinds_and_places_that_cannot_be(tmp_path):
    with pytest.raises(InvalidArgument, match="no kind of plugin"):
        new_project("volume", "a", str(tmp_path / "p"))
    with pytest.raises(InvalidArgument, match="did you mean network"):
        new_project("netwrok", "a", str(tmp_path / "p"))
    (tmp_path / "p").mkdir()
    new_project("hooks", "a", str(tmp_path / "p"))
    with pytest.raises(AlreadyExists, match="there already"):
        new_project("hooks", "a", str(tmp_path / "p"))
