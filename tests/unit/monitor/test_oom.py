"""The kernel's word of what it killed, as files that look like a cgroup's."""

from __future__ import annotations

import os
import select

import pytest
from plugrun.monitor.oom import OomWatch, oom_kills
from plugrun.monitor.plan import WatchPlan


def plan(counter, script: str, *, told: int = 0) -> WatchPlan:
    oom = ("/bin/sh", "-c", script)
    return WatchPlan(0, 0, "", "", str(counter), (), oom=oom, oom_told=told)


@pytest.mark.parametrize("text", ["low 0\noom 3\noom_kill 2\n", "oom_kill_disable 0\noom_kill 2\n"])
def test_the_count(tmp_path, text):
    (tmp_path / "counter").write_text(text)
    assert oom_kills(str(tmp_path / "counter")) == 2
    assert oom_kills(str(tmp_path / "none")) == 0
    assert oom_kills("") == 0


@pytest.mark.parametrize(("now", "said"), [("high 7\noom_kill 1", ""), ("oom_kill 2", "killed\n")])
def test_v2_tells_of_kills_only(tmp_path, now, said):
    counter = tmp_path / "memory.events"
    counter.write_text("high 0\noom_kill 1\n")
    (tmp_path / "told").touch()
    watch = OomWatch(plan(counter, f"echo killed >> {tmp_path}/told", told=1))
    assert watch.mask == select.POLLPRI
    counter.write_text(f"{now}\n")
    watch.take()
    watch.stop()
    assert (tmp_path / "told").read_text() == said
    assert watch.fd == -1


def test_kills_from_before_it_watched_are_told_unless_they_have_been(tmp_path):
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 1\n")
    for told, said in ((1, ""), (0, "killed\n")):
        (tmp_path / "told").write_text("")
        OomWatch(plan(counter, f"echo killed >> {tmp_path}/told", told=told)).stop()
        assert (tmp_path / "told").read_text() == said


def test_v1_asks_for_an_eventfd(tmp_path):
    (tmp_path / "memory.oom_control").write_text("oom_kill 0\n")
    (tmp_path / "cgroup.event_control").write_text("")
    watch = OomWatch(plan(tmp_path / "memory.oom_control", f"echo killed >> {tmp_path}/told"))
    event, _ = (tmp_path / "cgroup.event_control").read_text().split()
    assert int(event) == watch.fd
    assert watch.mask == select.POLLIN
    os.eventfd_write(watch.fd, 1)
    watch.take()
    watch.stop()
    assert (tmp_path / "told").read_text() == "killed\n"


def test_one_program_at_a_time(tmp_path):
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    os.mkfifo(tmp_path / "go")
    watch = OomWatch(plan(counter, f"echo killed >> {tmp_path}/told; read x < {tmp_path}/go"))
    for number in range(1, 20):
        counter.write_text(f"oom_kill {number}\n")
        watch.take()
    (tmp_path / "go").write_text("x\n")
    watch.stop()
    assert (tmp_path / "told").read_text() == "killed\n"


def test_where_nothing_is_counted(tmp_path):
    for counter in ("", f"{tmp_path}/gone/memory.events", f"{tmp_path}/gone/memory.oom_control"):
        watch = OomWatch(plan(counter, "true"))
        assert watch.fd == -1
        watch.stop()
