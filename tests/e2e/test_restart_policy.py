"""--restart: who is started again, how often, and what ends it."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.e2e.conftest import HOST_IMAGE, PATIENCE, Plugrun, cgroups_of

NET = ("--network", "none")


def detached(plugrun: Plugrun, name: str, policy: str, script: str) -> str:
    args = ("--name", name, "--restart", policy, *NET, HOST_IMAGE, "sh", "-c", script)
    return plugrun.out("run", "-d", *args)


def follow(plugrun: Plugrun, name: str, filter: str, times: int) -> None:
    """Wait for the Nth event of a kind in the container's life."""
    filters = (
        "--filter",
        f"container={plugrun.inspect(name)['Id']}",
        "--filter",
        f"event={filter}",
    )
    with plugrun.start("events", "--since", "1h", *filters) as process:
        for _ in range(times):
            assert process.stdout.readline() != ""
        process.kill()


def test_on_failure_so_many_times(plugrun):
    id = detached(plugrun, "fails", "on-failure:3", "echo run; exit 2")
    follow(plugrun, "fails", "die", 4)
    plugrun("stop", "fails")
    found = plugrun.inspect("fails")
    assert (found["RestartCount"], found["State"]["ExitCode"]) == (3, 2)
    assert found["State"]["Status"] == "exited"
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert plugrun.out("logs", "fails") == "run\n" * 3 + "run"
    assert cgroups_of({id}) == []


def test_on_failure_leaves_success_alone(plugrun):
    detached(plugrun, "works", "on-failure", "echo run")
    follow(plugrun, "works", "die", 1)
    plugrun("stop", "works")
    assert plugrun.inspect("works")["RestartCount"] == 0
    assert plugrun.out("logs", "works") == "run"


def test_run_attached_returns_after_the_first_life(plugrun):
    args = ("--name", "twice", "--restart", "on-failure:1", *NET, HOST_IMAGE)
    done = plugrun("run", *args, "sh", "-c", "echo run; exit 4", code=4)
    assert done.stdout == "run\n"
    follow(plugrun, "twice", "die", 2)
    assert plugrun.out("logs", "twice") == "run\nrun"


def waiting(plugrun: Plugrun, name: str) -> None:
    """Make one that waits for longer than any test: after many short lives."""
    detached(plugrun, name, "always", "echo run; exit 1")
    follow(plugrun, name, "die", 6)  # 3.2 s until the next


def test_while_it_waits(plugrun):
    waiting(plugrun, "waits")
    state = plugrun.inspect("waits")
    assert state["State"]["Status"] == "restarting"
    assert (state["State"]["Running"], state["State"]["Restarting"]) == (True, True)
    assert state["State"]["Pid"] == 0
    assert state["RestartCount"] == 6
    assert "Restarting (1) " in plugrun.out("ps")
    id = state["Id"]
    wait = f"Container {id} is restarting, wait until the container is running"
    for verb in (("exec", "waits", "true"), ("pause", "waits")):
        assert wait in plugrun(*verb, code=1).stderr
    assert plugrun("attach", "waits", code=1).stderr == (
        "You cannot attach to a restarting container, wait until it is running\n"
    )
    assert "container is restarting" in plugrun("rm", "waits", code=1).stderr
    assert plugrun.out("start", "waits") == "waits"
    assert plugrun.inspect("waits")["State"]["Status"] == "restarting"


@pytest.mark.parametrize("verb", ["stop", "kill", "rm -f"])
def test_it_is_ended_while_it_waits(plugrun, verb):
    waiting(plugrun, "waits")
    lives = plugrun.out("logs", "waits").count("run")
    plugrun(*verb.split(), "waits")
    assert os.listdir(f"{plugrun.run_root_of_root}/containers") == []
    if verb == "rm -f":
        assert plugrun.out("ps", "-aq") == ""
        return
    state = plugrun.inspect("waits")
    assert (state["State"]["Status"], state["State"]["ExitCode"]) == ("exited", 1)
    assert state["RestartCount"] == 6
    assert plugrun.out("logs", "waits").count("run") == lives


@pytest.mark.parametrize("verb", ["stop -t 0", "kill", "kill -s TERM"])
def test_what_a_user_ends_stays_ended(plugrun, verb):
    script = "trap 'exit 3' TERM; echo up; while true; do sleep 0.05; done"
    detached(plugrun, "ends", "always", script)
    plugrun(*verb.split(), "ends")
    follow(plugrun, "ends", "die", 1)
    plugrun("stop", "ends")
    assert plugrun.inspect("ends")["RestartCount"] == 0
    assert plugrun.out("ps", "-q") == ""
    # And is watched over again once it is started by hand.
    plugrun("start", "ends")
    os.kill(plugrun.inspect("ends")["State"]["Pid"], signal.SIGKILL)
    follow(plugrun, "ends", "start", 3)
    assert plugrun.inspect("ends")["RestartCount"] == 1


def test_it_can_be_attached_to_in_its_second_life(plugrun):
    script = "if [ -e /been ]; then cat; exit 0; fi; touch /been; exit 1"
    args = ("--name", "two", "--restart", "on-failure", *NET, HOST_IMAGE, "sh", "-c", script)
    plugrun("create", "-i", *args)
    plugrun("start", "two")
    follow(plugrun, "two", "start", 2)
    process = plugrun.start("attach", "two", stdin=subprocess.PIPE)
    assert process.communicate("hello\n", timeout=PATIENCE) == ("hello\n", "")
    assert process.returncode == 0


def test_a_killed_monitor_that_waits(plugrun):
    waiting(plugrun, "waits")
    id = plugrun.inspect("waits")["Id"]
    with open(f"{plugrun.run_root_of_root}/containers/{id}/task", encoding="utf-8") as file:
        monitor = int(file.read().partition('"monitor":')[2].partition(",")[0])
    os.kill(monitor, signal.SIGKILL)
    plugrun("start", "waits")
    follow(plugrun, "waits", "start", 7)
    plugrun("rm", "-f", "waits")
