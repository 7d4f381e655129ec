"""What runtimes say, as errors with Docker's words and codes."""

from __future__ import annotations

import pytest
from plugrun.errors import CommandNotExecutable, CommandNotFound, IsolationError
from plugrun_isolation_oci.words import failure, not_executed

RUNC = "runc create failed: unable to start container process: "
CASES = [
    (RUNC + 'exec: "x": executable file not found in $PATH', 127, "not found in $PATH"),
    (RUNC + 'exec: "x": stat x: no such file or directory', 127, "stat x: no such file"),
    (RUNC + 'exec: "x": permission denied', 126, 'exec: "x": permission denied'),
    ("exec failed: " + RUNC[20:] + 'exec: "x": is a directory', 126, "is a directory"),
    ("executable file `x` not found in $PATH: No such file or directory", 127, "found in $PATH"),
    ("open executable: Operation not permitted", 126, 'exec: "x": permission denied'),
    ("exec x: exec format error", 126, "exec format error"),
    ("exec x: no such file or directory", 127, "no such file"),
    (RUNC + "error mounting /y: no such file or directory", 1, "mounting /y"),
    ("unknown version specified", 1, "crun: unknown version"),
]


@pytest.mark.parametrize(("reason", "code", "words"), CASES)
def test_words(reason, code, words):
    error = failure(reason, "crun", "x")
    assert error.exit_code == code
    assert words in error.message
    kinds = {127: CommandNotFound, 126: CommandNotExecutable}
    assert type(error) is kinds.get(code, IsolationError)


CRUN = '{"msg":"exec container process (missing?) `/x`: No such file","level":"error"}'


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("exec /x: exec format error", "exec /x: exec format error"),
        ("exec format error", "exec /x: exec format error"),
        (CRUN, "exec /x: no such file"),
        ("{", "exec /x: {"),
    ],
)
def test_why_it_was_not_executed(said, told):
    assert not_executed(said, "/x") == told


def test_a_path_that_is_missing():
    text = "executable file `/no/x` not found in $PATH: No such file or directory"
    error = failure(text, "crun", "/no/x")
    assert error.message == 'exec: "/no/x": stat /no/x: no such file or directory'


def test_who_failed_at_which_verb_is_not_said_twice():
    error = failure(RUNC + "error mounting /y: no such device", "runc", "x")
    assert error.message == "runc: error mounting /y: no such device"


def test_a_tree_of_cgroups_has_a_hint():
    assert "cgroup" in failure("cgroup v1 not supported", "crun", "x").hint
