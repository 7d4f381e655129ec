"""Where commands meet: streams that nobody reads, closed ones, what a power failure leaves."""

from __future__ import annotations

import glob
import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, PROGRAM
from tests.e2e.test_run import run_on_terminal

NONE = ("--network", "none")
YES = (
    "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"
)


def test_stop_does_not_wait_for_a_reader(plugrun, ended_by_test):
    process = plugrun.start("run", "--name", "full", *NONE, HOST_IMAGE, "sh", "-c", YES)
    ended_by_test.append(process)
    assert process.stdout is not None
    process.stdout.readline()  # and no more: the pipe fills up
    plugrun("stop", "-t", "0", "full")
    assert plugrun.inspect("full")["State"]["Status"] == "exited"
    assert plugrun.out("wait", "full") == "137"
    plugrun("rm", "full")
    rest = process.stdout.read()
    assert process.wait(PATIENCE) == 137
    assert set(rest.split("\n")) - {""} <= {"y" * n for n in range(72)}


def test_a_slow_reader_gets_everything(plugrun):
    script = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
    process = plugrun.start("run", "--rm", *NONE, HOST_IMAGE, "sh", "-c", script)
    assert process.stdout is not None
    found = []
    with process:
        while line := process.stdout.read(997):
            found.append(line)
    assert process.returncode == 0
    assert "".join(found) == "".join(f"{n}\n" for n in range(20000))


def test_a_killed_client_whose_reader_stays(plugrun):
    read, write = os.pipe()
    process = plugrun.start(
        "run", "--name", "left", *NONE, HOST_IMAGE, "sh", "-c", YES, stdout=write
    )
    os.close(write)
    os.read(read, 10)
    process.kill()
    process.communicate(timeout=PATIENCE)
    # Whoever reads sees the end of file: the monitor let go of the pipe.
    while os.read(read, 65536):
        pass
    os.close(read)
    plugrun("rm", "-f", "left")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_streams_that_the_caller_closed(plugrun, closed):
    program = (
        "import os, sys\n"
        "for fd in map(int, sys.argv[1].split(',')): os.close(fd)\n"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    script = "cat; echo out; echo error >&2; exit 3"
    own = [sys.executable, "-c", program, ",".join(map(str, closed)), PROGRAM, *plugrun.argv[1:]]
    done = subprocess.run(
        [*own, "run", "-i", "--name", "closed", *NONE, HOST_IMAGE, "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 3
    assert (done.stdout, done.stderr) == (
        "" if 1 in closed else "out\n",
        "" if 2 in closed else "error\n",
    )
    logs = plugrun("logs", "closed")
    assert (logs.stdout, logs.stderr) == ("out\n", "error\n")


@pytest.mark.parametrize("masked", [False, True], ids=["ignored", "blocked"])
def test_a_caller_that_does_not_want_to_know_of_children(plugrun, tmp_path, masked):
    """What it does with SIGCHLD is inherited through execve(2)."""
    program = (
        "import os, signal, sys\n"
        "if sys.argv[1] == 'True': signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})\n"
        "else: signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    own = [sys.executable, "-c", program, str(masked), PROGRAM, *plugrun.argv[1:]]
    name = str(masked).lower()
    tar = str(tmp_path / "tree.tar")
    for words, code in (
        (("run", "-q", "--name", name, *NONE, HOST_IMAGE, "sh", "-c", "exit 3"), 3),
        (("export", "-o", tar, name), 0),
        (("import", tar, f"children:{name}"), 0),
        (("commit", name, f"children:{name}"), 0),
    ):
        done = subprocess.run(
            [*own, *words], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode, done.stderr) == (code, "")


def test_what_a_power_failure_leaves_empty(alone):
    def empty(*parts: str) -> None:
        found = glob.glob(os.path.join(*parts))
        assert found
        for path in found:
            os.truncate(path, 0)

    alone("run", "--name", "ended", *NONE, HOST_IMAGE, "true")
    id = alone.inspect("ended")["Id"]
    empty(alone.root, "accounts", "*")
    empty(alone.root, "containers", id, "exit")
    assert "ended" in alone.out("ps", "-a")
    seccomp = ("grep", "Seccomp:", "/proc/self/status")
    empty(alone.run_root_of_root, "isolation", "*", ".seccomp", "*")
    image = HOST_IMAGE + ",grep"
    assert alone.out("run", "--rm", *NONE, image, *seccomp).split() == ["Seccomp:", "2"]
    alone("rm", "ended")


def test_exec_can_be_ended_while_nobody_reads(plugrun, ended_by_test):
    id = plugrun.out("run", "-d", *NONE, HOST_IMAGE, "sh", "-c", "sleep 600")
    process = plugrun.start("exec", id, "sh", "-c", YES)
    ended_by_test.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(PATIENCE) == 143


def test_a_terminal_of_exec_is_there_inside(plugrun):
    plugrun("run", "-d", "--name", "inside", *NONE, HOST_IMAGE + ",tty", "sleep", "600")
    shown, code = run_on_terminal(plugrun, "exec", "-it", "inside", "sh", "-c", "tty; ls /dev/pts")
    assert shown.split() == [b"/dev/pts/0", b"0", b"ptmx"]
    assert code == 0


def test_a_current_folder_that_has_been_removed(plugrun, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f'cd {folder} && rmdir {folder} && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *plugrun.argv, "ps", "-q"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
