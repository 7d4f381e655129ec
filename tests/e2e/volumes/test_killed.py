"""Several at once, and what was killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from tests.e2e.conftest import HOST_IMAGE, PATIENCE
from tests.e2e.volumes.conftest import LOOK, RUN, names, sh


def test_monitors_that_are_killed_leave_no_mounts(plugrun):
    plugrun("volume", "create", "mem", "-o", "type=tmpfs", "-o", "device=tmpfs")
    sh(plugrun, "mkdir /v/sub", "-v", "vol:/v")
    within = "type=volume,src=vol,dst=/s,volume-subpath=sub"
    plugrun("run", "-d", "--name", "box", "--network", "none", "-v", "mem:/m", "--mount", within,
            HOST_IMAGE, "sleep", "1000")  # fmt: skip
    id = plugrun.inspect("box")["Id"]
    with open(f"{plugrun.run_root_of_root}/containers/{id}/task", encoding="utf-8") as file:
        task = json.load(file)
    os.kill(task["monitor"], signal.SIGKILL)
    os.kill(task["pid"], signal.SIGKILL)
    plugrun("wait", "box")
    plugrun("ps")
    assert not os.path.ismount(f"{plugrun.root}/volumes/mem/_data")
    assert os.listdir(f"{plugrun.run_root_of_root}/subpaths") == []


def test_two_that_start_with_a_new_volume_fill_it_once(plugrun, image):
    for round in range(3):
        args = (*RUN, "-v", f"race{round}:/data", image, "sh", "-c", LOOK)
        started = [plugrun.start(*args) for _ in range(4)]
        outs = [process.communicate(timeout=PATIENCE) for process in started]
        assert [process.returncode for process in started] == [0] * 4, outs
        assert len({out for out, _ in outs}) == 1


def test_prune_while_others_create(plugrun):
    for _ in range(3):
        started = [plugrun.start(*RUN, "-v", "/lone", "-v", "vol:/v", HOST_IMAGE, "true")
                   for _ in range(4)]  # fmt: skip
        prunes = [plugrun.start("volume", "prune", "-af") for _ in range(3)]
        for process in (*started, *prunes):
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, errors


def kill_when(process: subprocess.Popen, path: str) -> bool:
    """Kill a command's processes as soon as a path is there; False if it ended before."""
    while process.poll() is None:
        if os.path.lexists(path):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=PATIENCE)
            return True
    process.communicate(timeout=PATIENCE)
    return False


def test_a_copy_that_was_killed_is_finished(plugrun, image):
    plugrun("pull", "-q", image)
    volume = f"{plugrun.root}/volumes/vol"
    for place in ("", "/_data", "/filling", "/_data/sub"):
        process = plugrun.start("run", "-v", "vol:/data", image, "true", start_new_session=True)
        kill_when(process, volume + place)
        plugrun.remove_all()
        assert names(plugrun) <= {"vol"} | names(plugrun, "--filter", "dangling=false")
        script = f"{LOOK}; ls -A"
        assert sh(plugrun, script, "-v", "vol:/data", image=image) == sh(
            plugrun, script, image=image
        )
        plugrun("volume", "rm", "vol")


def test_a_removal_that_was_killed_is_finished(plugrun):
    place = f"{plugrun.root}/volumes"
    for _ in range(3):
        sh(plugrun, "mkdir -p /v/a /v/b; for i in 1 2 3 4 5 6 7 8 9; do echo > /v/a/$i; done",
           "-v", "vol:/v")  # fmt: skip
        process = plugrun.start("volume", "rm", "vol", start_new_session=True)
        while process.poll() is None:
            if "vol" not in os.listdir(place):
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.communicate(timeout=PATIENCE)
        assert names(plugrun) == set()
        assert os.listdir(place) == []


def test_folders_of_nobody_go(plugrun):
    plugrun("volume", "create", "known")
    os.makedirs(f"{plugrun.root}/volumes/lost/_data")
    os.makedirs(f"{plugrun.root}/volumes/.removed-1/_data/x")
    plugrun("volume", "ls")
    assert os.listdir(f"{plugrun.root}/volumes") == ["known"]
