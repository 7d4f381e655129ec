"""Completion: what stands under the cursor, what it may become, and the scripts of the shells."""

import shutil
import subprocess

import pytest
from plugrun.cli import main
from plugrun.cli.commands import GROUPS, by_path
from plugrun.cli.completion import candidates as module
from plugrun.cli.completion.candidates import candidates
from plugrun.cli.completion.reading import read_line
from plugrun.cli.completion.scripts import SCRIPTS
from plugrun.cli.suggest import distance, nearest
from plugrun.errors import NotRoot


@pytest.fixture
def here(monkeypatch):
    """Names of containers, images and volumes; and what was asked for."""
    asked = []

    def containers(options, state):
        asked.append((options, state))
        return [f"{state}-web", "db"]

    monkeypatch.setattr(module, "containers", containers)
    monkeypatch.setattr(module, "images", lambda options: ["debian:12", "busybox:latest"])
    monkeypatch.setattr(module, "volumes", lambda options: ["data"])
    return asked


def complete(*words):
    return candidates(words, lambda said: said["root"])


@pytest.mark.parametrize(
    ("words", "some", "none"),
    [
        (["r"], {"run", "rm", "rmi"}, {"ps"}),
        (["cont"], {"container"}, set()),
        (["container", ""], {"ls", "run", "rm"}, {"list", "remove"}),
        (["help", "container", "l"], {"ls", "logs"}, {"rm"}),
        (["run", "--e"], {"--env", "--entrypoint"}, {"--name"}),
        (["--root", "/x", "ps", "--n"], {"--no-trunc"}, {"--all"}),
        (["ps", "--he"], {"--help"}, set()),
        (["--r"], {"--root", "--run-root"}, {"--profile"}),
        (["run", "--pull", "a"], {"always"}, {"never"}),
        (["run", "--pull=n"], {"--pull=never"}, {"--pull=always", "never"}),
        (["run", "-it", "deb"], {"debian:12"}, {"busybox:latest"}),
        (["run", "-itw", ""], set(), {"debian:12"}),
        (["run", "-itw/", ""], {"debian:12"}, {"db"}),
        (["run", "debian:12", ""], set(), {"debian:12", "busybox:latest"}),
        (["rmi", "debian:12", ""], {"busybox:latest"}, {"debian:12"}),
        (["rm", "--", ""], {"-web", "db"}, {"debian:12"}),
        (["exec", ""], {"running-web"}, set()),
        (["inspect", ""], {"db", "debian:12"}, set()),
        (["completion", ""], {"bash", "zsh", "fish"}, set()),
        (["nonsense", ""], set(), {"db"}),
        (["run", "--name", "x", "--detach="], {"--detach=true"}, set()),
    ],
)
def test_candidates(here, words, some, none):
    found = set(complete(*words))
    assert some <= found
    assert not none & found
    if not some:
        assert found == set()


def test_what_was_said_before_the_command_counts(here):
    complete("--root", "/elsewhere", "stop", "")
    assert here == [("/elsewhere", "running")]


def test_a_failure_is_no_candidate(monkeypatch):
    def fail(*_):
        raise NotRoot("needs root")

    monkeypatch.setattr(module, "containers", fail)
    assert complete("stop", "") == []


def test_options_end_where_they_end():
    cursor = read_line(["run", "img", "--e"], by_path(), GROUPS)
    assert (cursor.ended, cursor.args) == (True, ("img",))
    assert complete("run", "img", "--e") == []


def test_the_hidden_command_prints_one_a_line(capsys):
    assert main.main(["--root", "/nonexistent", "__complete", "imag"]) == 0
    assert capsys.readouterr().out == "image\nimages\n"
    assert main.main(["__complete"]) == 0
    assert "run\n" in capsys.readouterr().out


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_scripts(capsys, shell, tmp_path):
    assert main.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert "plugrun" in text
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(text)
        subprocess.run([shell, "-n", script], check=True)


def test_an_unknown_shell(capsys):
    assert main.main(["completion", "csh"]) == 1
    assert 'unknown shell: "csh"' in capsys.readouterr().err


BASH = """
plugrun() { printf '%s\\n' "$@" >&2; printf 'debian:12\\ndebian:13\\n'; }
source {script}
COMP_LINE='plugrun run --rm debian:1'; COMP_POINT=${#COMP_LINE}
_plugrun
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_gets_what_follows_the_colon(tmp_path):
    script = tmp_path / "plugrun.bash"
    script.write_text(SCRIPTS["bash"])
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH.replace("{script}", str(script))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "12\n13\n"


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [("os", "ps", 1), ("", "abc", 3), ("abc", "", 3), ("sotp", "stop", 1), ("x", "x", 0)],
)
def test_distance(one, other, far):
    assert distance(one, other) == far


def test_nearest():
    known = ["stop", "start", "stats", "ps", "port"]
    assert nearest("sta", known) == ["start", "stats"]
    assert nearest("psx", known) == ["ps"]
    assert nearest("s", known) == []
    assert nearest("quite else", known) == []
