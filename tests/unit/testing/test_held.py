"""What killed runs of tests leave is found by the next, and what is in use is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.held import abandoned, held_folder, hold, unmount

# Holds a folder, has something mounted in it, and waits to be killed.
HOLDER = """
import os, signal, subprocess, sys
from tests.held import hold
path, _ = hold("try", sys.argv[1])
os.mkdir(f"{path}/inner")
if sys.argv[2:]:
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{path}/inner"], check=True)
print(path, flush=True)
signal.pause()
"""


def holder(parent, *words):
    command = [sys.executable, "-c", HOLDER, str(parent), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_only_what_nobody_holds_is_abandoned(tmp_path):
    parent = str(tmp_path)
    process, path = holder(parent)
    try:
        assert os.path.isdir(path)
        assert list(abandoned("try", parent)) == []
    finally:
        kill(process)
    assert list(abandoned("try", parent)) == [path]
    assert list(abandoned("other", parent)) == []
    with held_folder("try", parent) as mine:
        assert os.listdir(parent) == [os.path.basename(mine)]
        assert list(abandoned("try", parent)) == []
    assert os.listdir(parent) == []


@pytest.mark.root
def test_what_a_killed_run_mounted_is_unmounted(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    parent = str(tmp_path)
    process, path = holder(parent, "mounts")
    kill(process)
    assert os.path.ismount(f"{path}/inner")
    [left] = abandoned("try", parent)
    unmount(left)
    assert not os.path.ismount(f"{path}/inner")


def test_another_end_may_be_put_to_it(tmp_path):
    parent = str(tmp_path)
    path, held = hold("try", parent)
    os.close(held)
    ended = []
    with held_folder("try", parent, end=ended.append):
        assert ended == [path]
    assert os.listdir(parent) == [os.path.basename(path)]
