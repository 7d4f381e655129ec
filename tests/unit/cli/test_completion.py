"""Completion: what a half-written line may become, and what each shell makes of it."""

import os
import shutil
import subprocess
import sys

import pytest
from plugrun.cli import main
from plugrun.cli.completion import candidates as module
from plugrun.cli.completion.shells import SHELLS, script
from plugrun.cli.completion.tree import Asked, build
from plugrun.cli.suggest import nearest
from plugrun.errors import NotRoot
from plugrun.model.spelling import distance


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
    monkeypatch.setattr(module, "networks", lambda options: ["bridge", "shop"])
    return asked


def items(shell, words):
    asked = Asked(word="", options=lambda said: said["root"])
    completing = SHELLS[shell](build(), {"obj": asked}, "plugrun", "_PLUGRUN_COMPLETE")
    return completing.get_completions(list(words[:-1]), words[-1])


def complete(*words, shell="zsh"):
    return [item.value for item in items(shell, words) if item.type == "plain"]


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
        (["run", "--network", "s"], {"shop"}, {"bridge"}),
        (["network", "rm", ""], {"bridge", "shop"}, {"db"}),
        (["network", "connect", "shop", ""], {"db"}, {"bridge"}),
        (["run", "--pull", "a"], {"always"}, {"never"}),
        (["run", "--pull=n"], {"--pull=never"}, {"--pull=always", "never"}),
        (["run", "-it", "deb"], {"debian:12"}, {"busybox:latest"}),
        (["run", "-it", "-w", ""], set(), {"debian:12"}),
        (["run", "-itw/", ""], {"debian:12"}, {"db"}),
        (["run", "debian:12", ""], set(), {"debian:12", "busybox:latest"}),
        (["rmi", "debian:12", ""], {"busybox:latest"}, {"debian:12"}),
        (["rm", "--", ""], {"-web", "db"}, {"debian:12"}),
        (["exec", ""], {"running-web"}, set()),
        (["inspect", ""], {"db", "debian:12"}, set()),
        (["completion", ""], {"bash", "zsh", "fish"}, set()),
        (["nonsense", ""], set(), {"db"}),
        (["run", "--name", "x", "--detach="], {"--detach=true"}, set()),
        (["run", "--rm=false", "deb"], {"debian:12"}, {"busybox:latest"}),
        (["run", "--rm=false", "debian:12", ""], set(), {"debian:12"}),
        (["run", "debian:12", "--pull", ""], set(), {"always"}),
        (["run", "debian:12", "--rm="], set(), {"--rm=true"}),
        (["rm", "-"], {"-f", "--force"}, set()),
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
    assert complete("run", "img", "--e") == []


@pytest.mark.parametrize("words", [["run", "img", "-"], ["load", "-i", "x"], ["cp", "./"]])
def test_where_no_name_fits_the_shell_offers_files(here, words):
    assert [(item.type, item.value) for item in items("zsh", words)] == [("file", words[-1])]


def test_of_commands_there_are_no_files():
    assert items("zsh", ["nosuch"]) == []


@pytest.mark.parametrize(
    ("shell", "cursor", "printed"),
    [
        ("bash", "2", "plain,image\nplain,images\n"),
        ("zsh", "2", "plain\nimage\nWork with images\nplain\nimages\nList images\n"),
        ("fish", "imag", "plain,image\tWork with images\nplain,images\tList images\n"),
    ],
)
def test_the_protocol(monkeypatch, capsys, shell, cursor, printed):
    monkeypatch.setenv("_PLUGRUN_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "plugrun --debug imag")
    monkeypatch.setenv("COMP_CWORD", cursor)
    assert main.main([]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("instruction", "cursor"),
    [("bash_complete", "x"), ("fish_complete", "''"), ("csh_complete", "1"), ("bash_other", "1")],
)
def test_what_no_script_asks_is_not_answered(monkeypatch, capsys, instruction, cursor):
    monkeypatch.setenv("_PLUGRUN_COMPLETE", instruction)
    monkeypatch.setenv("COMP_CWORD", cursor)
    monkeypatch.delenv("COMP_WORDS", raising=False)
    assert main.main(["ps"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_scripts(capsys, shell, tmp_path):
    assert main.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_PLUGRUN_COMPLETE={shell}_complete" in text
    if shutil.which(shell):
        written = tmp_path / "script"
        written.write_text(text)
        subprocess.run([shell, "-n", written], check=True)


def test_an_unknown_shell(capsys):
    assert main.main(["completion", "csh"]) == 1
    assert 'unknown shell: "csh"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broken", "args", "incomplete"),
    [
        ("run debian : 1", ["run"], "debian:1"),
        ("run debian :", ["run"], "debian:"),
        ("run --pull = n", ["run"], "--pull=n"),
        ("run -v d : /x : ro --rm = true deb", ["run", "-v", "d:/x:ro", "--rm=true"], "deb"),
        ("run", [], "run"),
    ],
)  # fmt: skip
def test_words_that_bash_breaks_are_put_together(monkeypatch, broken, args, incomplete):
    words = broken.split(" ")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["plugrun", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    completing = SHELLS["bash"](build(), {}, "plugrun", "_PLUGRUN_COMPLETE")
    assert completing.get_completion_args() == (args, incomplete)


def test_bash_gets_what_follows_the_last_break(here):
    assert complete("run", "debian:1", shell="bash") == ["12"]
    assert complete("run", "--pull=n", shell="bash") == ["never"]


# Each shell reads its script and completes a line; what it was offered is printed, one a line.
BASH = """
PATH=$1:$PATH; source "$2"; shift 2
compopt() { echo "compopt $*"; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
read -ra said <<<"$(complete -p plugrun)"
"${said[-2]}" plugrun
[[ -z "${COMPREPLY[*]}" ]] || printf '%s\n' "${COMPREPLY[@]}"
"""
ZSH = """
path=($1 $path); compdef() { :; }
source "$2"; shift 2
compadd() { print -l -- "${completions[@]}"; }
_describe() { print -l -- "${(@)completions_with_descriptions%%:*}"; }
_path_files() { echo "files"; }
words=("$@"); CURRENT=$#
_plugrun_completion
"""
FISH = """
set -x PATH $argv[1] $PATH; source $argv[2]
complete -C "$argv[3..]"
"""


@pytest.fixture
def offered(tmp_path):
    """What a shell offers for a line, with a ``plugrun`` whose containers are in files."""
    program = tmp_path / "bin" / "plugrun"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)

    def offered(shell, text, *words):
        if not shutil.which(shell):
            pytest.skip(f"no {shell} here")
        written = tmp_path / "script"
        written.write_text(script(shell))
        start = {"bash": ["--norc", "-c", text, "bash"], "zsh": ["-f", "-c", text, "zsh"]}
        done = subprocess.run(
            [
                shell,
                *start.get(shell, ["--no-config", "-c", text]),
                program.parent,
                written,
                *words,
            ],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "HOME": str(tmp_path)},
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return [line.partition("\t")[0] for line in done.stdout.splitlines()]

    return offered


PROGRAM = """#!{python}
import sys
from plugrun.cli import main
from plugrun.cli.completion import candidates

candidates.containers = lambda options, state: [options.root[1:] + "-" + state, "db"]
candidates.images = lambda options: ["debian:12", "debian:13", "busybox:latest"]
sys.exit(main.main(sys.argv[1:]))
"""

LINES = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@pytest.mark.parametrize("shell", list(LINES))
def test_a_shell_completes(offered, shell):
    def found(*words):
        return offered(shell, LINES[shell], "plugrun", *words)

    assert found("--root", "/else", "stop", "e") == ["else-running"]
    assert found("--root", "/else", "stop", "") == ["db", "else-running"]
    assert found("imag") == ["image", "images"]
    assert found("run", "--ent") == ["--entrypoint"]
    assert found("run", "b") == ["busybox:latest"]


@pytest.mark.parametrize("shell", list(LINES))
def test_a_shell_completes_words_with_breaks(offered, shell):
    def found(*words):
        return offered(shell, LINES[shell], "plugrun", *words)

    if shell == "bash":
        assert found("run", "debian", ":", "1") == ["12", "13"]
        assert found("run", "--pull", "=", "n") == ["never"]
    else:
        assert found("run", "debian:1") == ["debian:12", "debian:13"]
        assert found("run", "--pull=n") == ["--pull=never"]


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
    # Docker's word for something that is not here is no slip of the finger.
    assert nearest("swarm", known) == []
    assert nearest("resart", ["restart", "rm"]) == ["restart"]
