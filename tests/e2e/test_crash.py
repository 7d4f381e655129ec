"""Killed at any moment: a store that opens, and nothing that the next command does not clean up."""

from __future__ import annotations

import os
import select
import shutil
import signal

import pytest

from tests.e2e.changing import run_killed
from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, cgroups_of

LOOP = "echo up; while true; do sleep 0.05; done"


def wait_gone(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], PATIENCE)[0]
    finally:
        os.close(fd)


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("PPid"))


def detached(plugrun: Plugrun, *options: str) -> tuple[str, int, int]:
    """Start one; return its ID, its PID and its monitor's."""
    id = plugrun.out("run", "-d", "--network", "none", *options, HOST_IMAGE, "sh", "-c", LOOP)
    pid = plugrun.inspect(id)["State"]["Pid"]
    return id, pid, parent_of(pid)


def test_a_killed_client_leaves_its_container_running(plugrun, ended_by_test):
    process = plugrun.start(
        "run", "--name", "kept", "--network", "none", HOST_IMAGE, "sh", "-c", LOOP
    )
    ended_by_test.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.wait(PATIENCE)
    assert plugrun.inspect("kept")["State"]["Running"] is True
    plugrun("rm", "-f", "kept")


def test_a_killed_client_with_rm_still_cleans_up(plugrun, ended_by_test):
    args = ("run", "--rm", "--name", "kept", "--network", "none", HOST_IMAGE, "sh", "-c", LOOP)
    process = plugrun.start(*args)
    ended_by_test.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.kill()
    pid = plugrun.inspect("kept")["State"]["Pid"]
    monitor = parent_of(pid)
    plugrun("kill", "kept", code=None)
    wait_gone(monitor)
    assert plugrun.out("ps", "-aq") == ""


def test_a_killed_monitor_leaves_its_container_running(plugrun):
    id, pid, monitor = detached(plugrun)
    os.kill(monitor, signal.SIGKILL)
    wait_gone(monitor)
    assert plugrun.inspect(id)["State"]["Running"] is True
    plugrun("stop", "-t", "0", id)
    wait_gone(pid)
    state = plugrun.inspect(id)["State"]
    assert state["Status"] == "exited"
    assert "monitor" in state["Error"]
    assert cgroups_of({id}) == []
    plugrun("rm", id)


@pytest.mark.cgroups
def test_monitor_and_container_killed_are_noticed(plugrun):
    id, pid, monitor = detached(plugrun, "--name", "both")
    os.kill(monitor, signal.SIGKILL)
    wait_gone(monitor)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert "Exited" in plugrun.out("ps", "-a")
    assert cgroups_of({id}) == []
    assert plugrun.out("wait", "both") == "255"
    plugrun("rm", "both")


@pytest.mark.cgroups
def test_with_rm_the_next_command_removes_it(plugrun):
    id, pid, monitor = detached(plugrun, "--rm")
    os.kill(monitor, signal.SIGKILL)
    wait_gone(monitor)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert plugrun.out("ps", "-aq") == ""
    assert cgroups_of({id}) == []
    assert id not in str(list(os.walk(plugrun.root)))


def test_run_killed_at_every_change(alone):
    alone("run", "--rm", "--network", "none", "host:true", "true")
    args = ("run", "--rm", "--name", "victim", "--network", "none", "host:true", "true")
    limit = 1
    while run_killed(alone, limit, *args):
        # The next command finds what was left and removes it, so that the name is free again.
        assert alone.out("ps", "-aq") == "", limit
        alone(*args)
        assert os.listdir(f"{alone.root}/containers") == [], limit
        assert os.listdir(f"{alone.run_root_of_root}/containers") == [], limit
        limit += 1
    assert limit > 20


def test_many_at_once(plugrun):
    plugrun("run", "--rm", HOST_IMAGE, "true")
    args = ("run", "--rm", "--network", "none", HOST_IMAGE, "sh", "-c", "echo $$")
    started = [plugrun.start(*args) for _ in range(16)]
    for process in started:
        out, err = process.communicate(timeout=PATIENCE)
        assert (out, err, process.returncode) == ("1\n", "", 0)
    assert plugrun.out("ps", "-aq") == ""


def test_two_roots_do_not_disturb_each_other(cell, plugrun, alone):
    id = plugrun.out("run", "-d", "--name", "same", "--network", "none", HOST_IMAGE, "sleep", "100")
    other = alone.out(
        "run", "-d", "--name", "same", "--network", "none", HOST_IMAGE, "sleep", "100"
    )
    assert alone.out("ps", "-q", "--no-trunc") == other
    assert plugrun.out("ps", "-q", "--no-trunc") == id
    alone("rm", "-f", "same")
    assert plugrun.inspect("same")["State"]["Running"] is True


def test_a_shared_run_root_keeps_roots_apart(cell, plugrun, tmp_path):
    other = Plugrun(plugrun.config, str(tmp_path / "root"), plugrun.run_root)
    id = plugrun.out("run", "-d", "--network", "none", HOST_IMAGE, "sleep", "100")
    assert other.out("ps", "-aq") == ""
    assert plugrun.inspect(id)["State"]["Running"] is True


def restart_machine(plugrun: Plugrun, *ids: str) -> None:
    """Do what a restart does: end all processes, forget the run root, change the boot ID."""
    for id in ids:
        pid = plugrun.inspect(id)["State"]["Pid"]
        monitor = parent_of(pid)
        for process in (monitor, pid):
            os.kill(process, signal.SIGKILL)
            wait_gone(process)
        started = f"{plugrun.root}/containers/{id}/started"
        with open(started, encoding="utf-8") as file:
            text = file.read()
        with open(started, "w", encoding="utf-8") as file:
            file.write(text.replace('"boot":"', '"boot":"another-'))
    shutil.rmtree(f"{plugrun.run_root_of_root}/containers")
    os.unlink(f"{plugrun.run_root_of_root}/healed")


def test_after_a_restart(alone):
    kept, _, _ = detached(alone, "--name", "kept")
    passing, _, _ = detached(alone, "--rm", "--name", "passing")
    restart_machine(alone, kept, passing)
    lines = alone.out("ps", "-a").splitlines()[1:]
    assert len(lines) == 1
    assert "Exited (255)" in lines[0]
    assert "restarted" in alone.inspect("kept")["State"]["Error"]
    assert passing not in str(list(os.walk(alone.root)))
    alone("rm", "kept")
