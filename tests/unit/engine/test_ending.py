"""Waiting for processes to end."""

from __future__ import annotations

import subprocess

import pytest
from plugrun.engine.ending import wait_monitor
from plugrun.engine.taskfile import TaskFile
from plugrun.linux.alive import start_time


@pytest.mark.parametrize("seconds", [60, 60 * 86400, 99_999_999_999])
def test_however_long_one_waits_the_end_is_seen(seconds):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        task = TaskFile(process.pid, start_time(process.pid))
        assert not wait_monitor(task, 0)
        process.stdin.close()
        assert wait_monitor(task, seconds)
