"""What the kernel kills for want of memory, and who says so."""

from __future__ import annotations

import time

import pytest

from tests.e2e.conftest import HOST_IMAGE, Plugrun

LIMITED = ("run", "--name", "box", "--network", "none", "-m", "24m", "--memory-swap", "24m")
HOG = "dd if=/dev/zero of=/dev/null bs=90M count=3"


def actions(plugrun: Plugrun, begin: float) -> list[str]:
    span = ("--since", f"{begin:.9f}", "--until", "0s", "-f", "container=box")
    found = plugrun.out("events", *span, "--format", "{{.Action}}").splitlines()
    return [action for action in found if action != "attach"]


@pytest.mark.parametrize("more", [(), ("--rm",)])
@pytest.mark.cgroups
def test_the_first_process(plugrun, more):
    begin = time.time()
    plugrun(*LIMITED, *more, HOST_IMAGE, *HOG.split(), code=137)
    assert actions(plugrun, begin)[:4] == ["create", "start", "oom", "die"]
    if not more:
        state = plugrun.inspect("box")["State"]
        assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


def test_a_child(plugrun):
    """As Docker has it: the code is the first process's own, and the flag is set."""
    begin = time.time()
    plugrun(*LIMITED, HOST_IMAGE, "sh", "-c", f"{HOG}; exit 5", code=5)
    assert actions(plugrun, begin)[:4] == ["create", "start", "oom", "die"]
    state = plugrun.inspect("box")["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 5)


@pytest.mark.cgroups
def test_it_is_told_while_the_container_goes_on(plugrun, ended_by_test):
    begin = f"{time.time():.9f}"
    plugrun(*LIMITED, "-d", HOST_IMAGE, "sh", "-c", f"{HOG}; sleep 1000")
    only = ("-f", "container=box", "-f", "event=oom", "--since", begin)
    follower = plugrun.start("events", *only, "--format", "{{.Action}}")
    ended_by_test.append(follower)
    assert follower.stdout.readline() == "oom\n"
    state = plugrun.inspect("box")["State"]
    assert (state["OOMKilled"], state["Running"]) == (True, True)


def test_nobody_was_killed(plugrun):
    begin = time.time()
    plugrun(*LIMITED, HOST_IMAGE, "sh", "-c", "exit 137", code=137)
    assert "oom" not in actions(plugrun, begin)
    assert plugrun.inspect("box")["State"]["OOMKilled"] is False
