"""create and start killed at any moment, and the monitor of a restarting container."""

from __future__ import annotations

import os

from tests.e2e.changing import run_killed
from tests.e2e.conftest import HOST_IMAGE, cgroups_of

NET = ("--network", "none")


def test_create_killed_at_every_change(alone):
    alone("run", "--rm", *NET, HOST_IMAGE, "true")
    args = ("create", "--name", "victim", *NET, HOST_IMAGE, "true")
    limit = 1
    while run_killed(alone, limit, *args):
        # There in full, or not at all.
        for id in alone.out("ps", "-aq").split():
            assert alone("start", "-a", id).stdout == ""
            alone("rm", id)
        assert alone.out("ps", "-aq") == "", limit
        assert os.listdir(f"{alone.root}/containers") == [], limit
        assert os.listdir(f"{alone.run_root_of_root}/containers") == [], limit
        limit += 1
    assert limit > 10


def test_start_killed_at_every_change(alone):
    alone("run", "--rm", *NET, HOST_IMAGE, "true")
    id = alone.out("create", "--name", "victim", *NET, HOST_IMAGE, "sh", "-c", "echo up")
    limit = 1
    while run_killed(alone, limit, "start", "-a", "victim") and limit < 150:
        alone("ps", "-a")
        alone("stop", "-t", "0", "victim")
        assert cgroups_of({id}) == [], limit
        assert alone("start", "-a", "victim").stdout == "up\n", limit
        alone("stop", "victim")
        alone("ps")  # what a killed writer left beside the task file goes with the next command
        assert os.listdir(f"{alone.run_root_of_root}/containers") == [], limit
        limit += 1
    assert 8 < limit < 150
    state = alone.inspect("victim")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
