"""Log options from flag to effect, and every option of ``logs``."""

from __future__ import annotations

import glob
import os
import re
import time

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun

RUN = ("run", "--network", "none", "--name", "box")
COUNT = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done"


def files(plugrun: Plugrun) -> dict[str, int]:
    path = plugrun.inspect("box")["LogPath"]
    return {name.removeprefix(path): os.path.getsize(name) for name in glob.glob(f"{path}*")}


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("how", [(), ("-d",)])
def test_size_and_number_of_files(plugrun, number, how):
    options = ("--log-opt", "max-size=2k", "--log-opt", f"max-file={number}")
    plugrun(*RUN, *how, *options, HOST_IMAGE, "sh", "-c", COUNT)
    plugrun("wait", "box")
    found = files(plugrun)
    assert set(found) == {"", ".1", ".2", ".3"} & {"", *(f".{n}" for n in range(1, number))}
    assert all(0 < size <= 2000 for size in found.values())
    lines = plugrun.out("logs", "box").splitlines()
    assert lines == [f"line {n}" for n in range(400 - len(lines), 400)]
    assert len(lines) >= 20 * number - 19
    assert plugrun.out("logs", "-n", "3", "box").splitlines() == lines[-3:]


def test_none(plugrun):
    shown = plugrun.out(*RUN, "--log-driver", "none", HOST_IMAGE, "sh", "-c", "echo seen")
    assert shown == "seen"
    assert plugrun.inspect("box")["LogPath"] == ""
    done = plugrun("logs", "box", code=1)
    assert done.stderr == "Error: configured logging driver does not support reading\n"
    plugrun("rm", "box")


def test_details_and_times(plugrun):
    chosen = ("labels=tier", "env=A", "tag={{.Name}}/{{.ImageName}}")
    options = [word for option in chosen for word in ("--log-opt", option)]
    given = ("-l", "tier=a b", "-l", "other=1", "-e", "A=1")
    plugrun(*RUN, *options, *given, HOST_IMAGE, "sh", "-c", "echo out; echo err >&2")
    details = f"A=1,tag=box%2F{HOST_IMAGE.replace(':', '%3A').replace(',', '%2C')},tier=a+b"
    done = plugrun("logs", "--details", "box")
    assert (done.stdout, done.stderr) == (f"{details} out\n", f"{details} err\n")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
    assert re.fullmatch(
        f"{stamp} {re.escape(details)} out\n", plugrun("logs", "-t", "--details", "box").stdout
    )
    assert re.fullmatch(f"{stamp} out\n", plugrun("logs", "-t", "box").stdout)
    plugrun("rm", "box")
    plugrun(*RUN, HOST_IMAGE, "sh", "-c", "echo out")
    assert plugrun("logs", "--details", "box").stdout == " out\n"


def test_since_and_until(plugrun):
    plugrun(*RUN, HOST_IMAGE, "sh", "-c", "echo one")
    between = time.time()
    plugrun("start", "-a", "box")
    between = f"{between:.9f}"
    assert plugrun.out("logs", "box") == "one\none"
    assert plugrun.out("logs", "--since", between, "box") == "one"
    assert plugrun.out("logs", "--until", between, "-t", "box").count("\n") == 0
    assert plugrun.out("logs", "--since", "1h", "box") == "one\none"
    assert plugrun.out("logs", "--until", "1h", "box") == ""
    done = plugrun("logs", "--since", "abc", "box", code=1)
    reason = 'failed to parse value as time or duration: "abc"'
    assert done.stderr == f'Error: invalid value for "since": {reason}\n'


def test_following_over_many_files(plugrun):
    """The container waits long enough for a reader that may be three files behind."""
    options = ("--log-opt", "max-size=4k", "--log-opt", "max-file=9")
    slow = COUNT.replace("i=$((i+1))", "i=$((i+1)); sleep 0.005")
    plugrun(*RUN, "-d", *options, HOST_IMAGE, "sh", "-c", slow)
    assert plugrun.out("logs", "-f", "box").splitlines() == [f"line {n}" for n in range(400)]


def test_following_over_lives(plugrun):
    """Of a restart policy; what comes after the last is not waited for."""
    again = ("--restart", "on-failure:2")
    plugrun(*RUN, "-d", *again, HOST_IMAGE, "sh", "-c", "echo life; exit 3")
    assert plugrun.out("logs", "-f", "box") == "life\nlife\nlife"
    assert plugrun.inspect("box")["RestartCount"] == 2


def test_following_until_it_is_removed(plugrun, ended_by_test):
    plugrun(*RUN, "-d", "--rm", HOST_IMAGE, "sh", "-c", "echo one; sleep 1000")
    follower = plugrun.start("logs", "-f", "box")
    ended_by_test.append(follower)
    assert follower.stdout.readline() == "one\n"
    plugrun("kill", "box")
    assert follower.communicate(timeout=60) == ("", "")
    assert follower.returncode == 0


def test_following_until_a_time(plugrun):
    plugrun(*RUN, "-d", HOST_IMAGE, "sh", "-c", "echo one; sleep 1000")
    until = f"{time.time() + 1:.9f}"
    assert plugrun.out("logs", "-f", "--until", until, "box") == "one"
    assert time.time() >= float(until)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--log-opt", "foo=bar"), "unknown log opt 'foo' for json-file log driver"),
        (
            ("--log-opt", "max-size=abc"),
            "failed to initialize logging driver: invalid size: 'abc'",
        ),
        (
            ("--log-driver", "foo"),
            'error looking up logging plugin foo: plugin "foo" not found',
        ),
    ],
)
def test_what_is_refused(plugrun, options, message):
    done = plugrun(*RUN, *options, HOST_IMAGE, "true", code=125)
    assert f"plugrun: {message}" in done.stderr
    assert plugrun.out("ps", "-aq") == ""
