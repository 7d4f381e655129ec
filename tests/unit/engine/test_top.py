"""What ps printed, chosen by PID; and its default columns from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from plugrun.engine.processtable import full_listing, terminal_name
from plugrun.engine.top import rows_of
from plugrun.errors import InvalidArgument, PlugrunError


def test_rows_are_chosen_by_pid_wherever_the_column_is():
    output = "USER  PID CMD\nroot 7 sh  -c   x y\nroot 71 other\nme 8 sleep\n"
    assert rows_of(output, frozenset((7, 8))) == [
        ["USER", "PID", "CMD"],
        ["root", "7", "sh -c x y"],
        ["me", "8", "sleep"],
    ]


def test_threads_belong_to_the_process_before_them():
    output = "PID CMD\n7 ours\n- -\n8 other\n- -\n"
    assert rows_of(output, frozenset((7,)))[1:] == [["7", "ours"], ["-", "-"]]


def test_a_short_last_column():
    assert rows_of("PID CMD\n7\n", frozenset((7,)))[1:] == [["7"]]


@pytest.mark.parametrize("output", ["USER CMD\nroot sh\n", "", "\n"])
def test_the_pid_must_be_asked_for(output):
    with pytest.raises(InvalidArgument, match="Couldn't find PID field in ps output"):
        rows_of(output, frozenset((7,)))


def test_a_column_that_is_called_so_and_is_none():
    with pytest.raises(PlugrunError, match="Unexpected pid 'root'"):
        rows_of("PID\nroot\n", frozenset((7,)))


def test_the_default_columns_without_ps():
    # It speaks first: the kernel shows no command line until execve(2) has come to its end.
    code, pipe = "input(1)", subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        process.stdout.read(1)
        titles, row = full_listing([process.pid])
        process.communicate(b"\n")
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    found = dict(zip(titles, row, strict=True))
    assert (found["PID"], found["PPID"]) == (str(process.pid), str(os.getpid()))
    assert found["CMD"] == f"{sys.executable} -c {code}"
    assert found["TIME"].startswith("00:00:0")
    assert int(found["C"]) <= 99


def test_a_process_that_has_ended_is_left_out():
    process = subprocess.Popen(["true"])
    process.wait()
    assert len(full_listing([process.pid])) == 1


@pytest.mark.parametrize(
    ("major", "minor", "name"),
    [(0, 0, "?"), (136, 3, "pts/3"), (137, 1, "pts/257"), (4, 1, "tty1"), (4, 64, "ttyS0")],
)
def test_terminals(major, minor, name):
    assert terminal_name(os.makedev(major, minor)) == name
