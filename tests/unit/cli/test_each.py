"""One act on several objects, and what is written where."""

import os
import subprocess
import sys

from plugrun.cli.each import each
from plugrun.errors import Conflict, NoSuchContainer


def act(name):
    if name.startswith("no"):
        raise NoSuchContainer(f"No such container: {name}")
    if name == "busy":
        raise Conflict("it runs", hint="stop it")
    return name


def test_the_rest_is_done_after_a_failure(capsys):
    assert each(["no1", "a", "busy", "b"], act) == 1
    assert capsys.readouterr() == (
        "a\nb\n",
        "Error: No such container: no1\nError: it runs\nhint: stop it\n",
    )


def test_what_is_forgiven_is_told_and_no_failure(capsys):
    assert each(["no1", "a"], act, (NoSuchContainer,)) == 0
    assert capsys.readouterr() == ("a\n", "Error: No such container: no1\n")
    assert each(["no1", "busy"], act, (NoSuchContainer,)) == 1


def test_names_that_are_no_text_are_written_as_they_came():
    program = (
        "import sys; from plugrun.cli import output; output.line(sys.argv[1]); output.line('ü')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.fsdecode(b"a\xff")], capture_output=True
    )
    assert done.stdout == b"a\xff\n\xc3\xbc\n"
