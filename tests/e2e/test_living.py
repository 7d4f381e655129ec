"""What can be done to a container while it lives: pause, unpause, update, top, stats."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun

TICKING = "trap 'exit 0' TERM; while :; do echo tick; sleep 0.02; done"


@pytest.fixture
def box(plugrun: Plugrun) -> str:
    """A container that says something all the time."""
    options = ("--network", "none", "--name", "box")
    return plugrun.out("run", "-d", *options, HOST_IMAGE, "sh", "-c", TICKING)


def ticks(plugrun: Plugrun) -> int:
    return len(plugrun.out("logs", "box").splitlines())


def wait_for(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end


@pytest.mark.cgroups
def test_pause_and_unpause(plugrun, box):
    wait_for(lambda: ticks(plugrun))
    assert plugrun.out("pause", "box") == "box"
    state = plugrun.inspect("box")["State"]
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    status = plugrun.out("ps", "--format", "{{.State}} {{.Status}}")
    assert re.fullmatch(r"paused Up .* \(Paused\)", status)
    before = ticks(plugrun)
    assert plugrun.out("ps", "-q", "--filter", "status=paused") == box[:12]
    assert ticks(plugrun) == before
    assert plugrun.out("container", "unpause", "box") == "box"
    wait_for(lambda: ticks(plugrun) > before)
    assert plugrun.inspect("box")["State"]["Status"] == "running"


def test_what_cannot_be_paused_or_done_to_a_paused_one(plugrun, box):
    plugrun("pause", "box")
    again = plugrun("pause", "box", code=1)
    assert again.stderr == f"Error: Container {box} is already paused\n"
    refused = plugrun("exec", "box", "true", code=1)
    assert refused.stderr == "Error: Container box is paused, unpause the container before exec\n"
    refused = plugrun("rm", "box", code=1)
    assert "container is paused and must be unpaused first" in refused.stderr
    plugrun("unpause", "box")
    assert f"Container {box} is not paused" in plugrun("unpause", "box", code=1).stderr
    plugrun("kill", "box")
    for verb, word in (("pause", "running"), ("unpause", "paused")):
        assert f"Container {box} is not {word}" in plugrun(verb, "box", code=1).stderr
    both = plugrun("pause", "no-such", "box", code=1)
    assert "No such container: no-such" in both.stderr
    assert "is not running" in both.stderr


def test_stopping_a_paused_one_asks_it(plugrun, box):
    wait_for(lambda: ticks(plugrun))
    plugrun("pause", "box")
    plugrun("stop", "box")
    assert plugrun.inspect("box")["State"]["ExitCode"] == 0


@pytest.mark.parametrize("command", [("kill", "box"), ("rm", "-f", "box")])
def test_killing_a_paused_one(plugrun, box, command):
    plugrun("pause", "box")
    plugrun(*command)
    assert plugrun.out("ps", "-q") == ""


def test_a_signal_that_is_not_its_stop_signal_does_not_wake(plugrun):
    options = ("--network", "none", "--name", "box", "--stop-signal", "USR1")
    plugrun("run", "-d", *options, HOST_IMAGE, "sleep", "1000")
    plugrun("pause", "box")
    plugrun("kill", "-s", "USR2", "box")
    assert plugrun.inspect("box")["State"]["Paused"]
    plugrun("kill", "-s", "KILL", "box")
    assert plugrun.inspect("box")["State"]["ExitCode"] == 137


def test_pause_killed_in_the_middle_leaves_what_can_be_healed(plugrun, box):
    for delay in range(0, 60, 12):
        process = plugrun.start("pause", "box")
        time.sleep(delay / 1000)  # no event: the moment is what is varied
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        if plugrun.inspect("box")["State"]["Paused"]:
            plugrun("unpause", "box")
        before = ticks(plugrun)
        wait_for(lambda before=before: ticks(plugrun) > before)


@pytest.mark.cgroups
def test_update_of_a_running_and_a_stopped_one(plugrun, box):
    assert plugrun.out("update", "--pids-limit", "50", "box") == "box"
    assert plugrun.inspect("box")["HostConfig"]["PidsLimit"] == 50
    plugrun("update", "-m", "64m", "--memory-swap", "128m", "box")
    stats = json.loads(plugrun.out("stats", "--no-stream", "--format", "json", "box"))
    assert stats["MemUsage"].endswith(" / 64MiB")
    plugrun("kill", "box")
    plugrun("update", "--restart", "on-failure:3", "-m", "32m", "box")
    assert plugrun.inspect("box")["HostConfig"]["Memory"] == 32 << 20
    plugrun("start", "box")
    stats = json.loads(plugrun.out("stats", "--no-stream", "--format", "json", "box"))
    assert stats["MemUsage"].endswith(" / 32MiB")


def test_an_update_that_fails_changes_nothing(plugrun, box):
    before = plugrun.inspect("box")["HostConfig"]
    # The kernel refuses a limit on swap where memory has none.
    failed = plugrun("update", "--pids-limit", "50", "--memory-swap", "1g", "box", code=None)
    if failed.returncode == 0:
        pytest.skip("this machine can limit swap alone, or counts none")
    assert plugrun.inspect("box")["HostConfig"] == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "you must provide one or more flags when using this command"),
        (("-m", "4m"), "Error: Minimum memory limit allowed is 6MB"),
        (("-m", "100m"), "Memory limit should be smaller than already set memoryswap limit"),
        (("--cpuset-cpus", "0-99"), "Requested CPUs are not available - requested 0-99"),
        (("--restart", "foo"), "invalid restart policy 'foo'"),
        (("--blkio-weight", "5"), "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_updates_that_are_refused(plugrun, box, options, message):
    assert message in plugrun("update", *options, "box", code=1).stderr


def test_top(plugrun, box):
    lines = plugrun.out("top", "box").splitlines()
    columns = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert lines[0] == "".join(name.ljust(20) for name in columns[:-1]) + "CMD"
    pid = str(plugrun.inspect("box")["State"]["Pid"])
    assert lines[1].split()[1] == pid
    assert plugrun.out("top", "box", "-o", "pid,cmd").splitlines()[0].split() == ["PID", "CMD"]
    assert plugrun.out("container", "top", "box", "o", "pid").splitlines()[1] == pid


def test_top_without_ps(plugrun, box):
    bare = {"PATH": "/nowhere"}
    lines = plugrun.out("top", "box", env=bare).splitlines()
    assert lines[0].split()[:3] == ["UID", "PID", "PPID"]
    assert lines[1].split()[1] == str(plugrun.inspect("box")["State"]["Pid"])
    assert "procps" in plugrun("top", "box", "aux", env=bare, code=1).stderr


def test_top_refuses(plugrun, box):
    refused = plugrun("top", "box", "-o", "cmd", code=1)
    assert refused.stderr == "Error: Couldn't find PID field in ps output\n"
    assert plugrun("top", "box", "-zz", code=1).stderr.startswith("Error: ps: ")
    plugrun("kill", "box")
    assert f"Container {box} is not running" in plugrun("top", "box", code=1).stderr


def test_stats(plugrun, box):
    header, line = plugrun.out("stats", "--no-stream").splitlines()
    assert re.split(r"\s{2,}", header) == [
        *("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O"),
        "PIDS",
    ]
    assert re.match(rf"{box[:12]} +box +\d+\.\d\d% +[\d.]+.iB / [\d.]+GiB +\d", line)
    plugrun("kill", "box")
    assert len(plugrun.out("stats", "--no-stream").splitlines()) == 1
    row = json.loads(plugrun.out("stats", "-a", "--no-stream", "--format", "json"))
    assert (row["MemUsage"], row["PIDs"], row["CPUPerc"]) == ("0B / 0B", "0", "0.00%")
    assert "No such container: no-such" in plugrun("stats", "no-such", code=1).stderr


def test_stats_goes_on_until_it_is_interrupted(plugrun, box):
    with plugrun.start("stats", "box") as process:
        assert process.stdout is not None
        seen = ""
        while seen.count("box") < 2:
            seen += os.read(process.stdout.fileno(), 4096).decode()
        assert seen.count("\033[H") >= 2
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


@pytest.mark.cgroups
def test_stats_counts_the_cpu(plugrun):
    script = "while :; do :; done"
    plugrun("run", "-d", "--network", "none", "--name", "busy", HOST_IMAGE, "sh", "-c", script)
    cpu = plugrun.out("stats", "--no-stream", "--format", "{{.CPUPerc}}", "busy")
    assert float(cpu.rstrip("%")) > 1
    plugrun("pause", "busy")
    cpu = plugrun.out("stats", "--no-stream", "--format", "{{.CPUPerc}}", "busy")
    assert cpu == "0.00%"


def test_a_reader_of_stats_that_goes(plugrun, box):
    with plugrun.start("stats") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        process.stdout = None
        assert process.wait(PATIENCE) == 141


def test_a_terminal_has_its_name_inside(plugrun):
    """The same file system holds the first terminal, and those of exec."""
    script = "ls -l /proc/self/fd/0; sleep 1000"
    run = ("run", "-dt", "--network", "none", "--name", "box", HOST_IMAGE, "sh", "-c", script)
    plugrun(*run)
    wait_for(lambda: plugrun.out("logs", "box").rstrip().endswith("/dev/pts/0"))
    out = plugrun.out("exec", "-t", "box", "ls", "-l", "/proc/self/fd/0")
    assert out.rstrip().endswith("/dev/pts/1")
    assert plugrun.out("exec", "box", "ls", "/dev/pts").split() == ["0", "ptmx"]


def test_orphans_of_a_container_in_the_hosts_pid_namespace_are_reaped(plugrun):
    script = "(sleep 0.01 &); (sleep 0.02 &); sleep 0.1; echo over; sleep 1000"
    run = ("run", "-d", "--pid", "host", "--network", "none", "--name", "box", HOST_IMAGE)
    plugrun(*run, "sh", "-c", script)
    wait_for(lambda: "over" in plugrun.out("logs", "box"))
    monitor = parent_of(plugrun.inspect("box")["State"]["Pid"])
    children = [pid for pid in os.listdir("/proc") if pid.isdigit() and parent_of(pid) == monitor]
    assert children == [str(plugrun.inspect("box")["State"]["Pid"])]


def parent_of(pid: int | str) -> str:
    return "".join(fields_of(pid)[1:2])


def fields_of(pid: int | str) -> list[str]:
    """State, parent and the rest of a process; nothing if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def test_a_container_in_anothers_pid_namespace(plugrun, box):
    run = ("run", "-d", "--pid", "container:box", "--network", "none", "--name", "guest")
    plugrun(*run, HOST_IMAGE, "sh", "-c", "cat /proc/1/comm; exec sleep 1000")
    wait_for(lambda: plugrun.out("logs", "guest") == "sh")
    assert plugrun.out("exec", "guest", "cat", "/proc/1/comm") == "sh"
    plugrun("kill", "guest")
    assert plugrun.inspect("guest")["State"]["ExitCode"] == 137
    assert plugrun.inspect("box")["State"]["Running"]
    plugrun("start", "guest")
    # The namespace ends with its first process, and all in it do.
    plugrun("kill", "box")
    plugrun("wait", "guest")
    assert plugrun.inspect("guest")["State"]["ExitCode"] == 137


def test_what_is_left_behind_in_the_hosts_pid_namespace_ends_too(plugrun):
    run = ("run", "--rm", "--pid", "host", "--network", "none", HOST_IMAGE, "sh", "-c")
    pid = plugrun.out(*run, "sleep 1000 & echo $!")
    # Gone, or for the host's init to reap.
    assert fields_of(pid)[:1] in ([], ["Z"])


def test_what_restarts_has_no_processes_to_show(plugrun):
    run = ("run", "-d", "--restart", "always", "--network", "none", "--name", "box", HOST_IMAGE)
    plugrun(*run, "sh", "-c", "exit 1")

    def rests() -> bool:
        found = plugrun.inspect("box")
        return found["State"]["Restarting"] and found["RestartCount"] > 3

    # By then it rests for more than a second between two lives.
    wait_for(rests)
    refused = plugrun("top", "box", code=1).stderr
    assert "is restarting, wait until the container is running" in refused
