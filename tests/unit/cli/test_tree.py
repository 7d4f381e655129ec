"""Click's tree: completion, and nothing that click decides by itself."""

import os
import subprocess
import sys

import click
import pytest
from plugrun.cli import main
from plugrun.cli.commands import GROUPS, by_path
from plugrun.cli.tree import build

PROGRAM = "import sys; from plugrun.launch import main; sys.exit(main())"


def complete(line):
    words = line.split(" ")
    environ = {
        **os.environ,
        "_PLUGRUN_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True
    )
    assert done.stderr == ""
    return [item.partition(",")[2] for item in done.stdout.splitlines()]


def test_every_command_stands_in_the_tree():
    root = build()
    context = click.Context(root)
    for path in by_path():
        command = root
        for word in path.split():
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
        assert command is not None
    assert set(GROUPS) <= set(root.commands)


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("plugrun r", {"run", "rm", "rmi"}, {"ps"}),
        ("plugrun container ", {"ls", "run", "rm"}, {"list", "remove"}),
        ("plugrun run --e", {"--env", "--entrypoint", "--explain"}, {"--name"}),
        ("plugrun --root /x ps --n", {"--no-trunc"}, set()),
    ],
)
def test_shells_are_offered_completions(line, some, none):
    found = set(complete(line))
    assert some <= found
    assert not none & found


def test_a_shell_may_ask_for_its_script(capsys, monkeypatch):
    monkeypatch.setenv("_PLUGRUN_COMPLETE", "zsh_source")
    assert main.main([]) == 0
    assert "_PLUGRUN_COMPLETE=zsh_complete" in capsys.readouterr().out
