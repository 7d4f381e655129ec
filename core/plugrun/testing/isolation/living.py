"""Tasks that are paused, changed and counted while they live."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import select
import signal

import pytest

from plugrun.errors import BackendUnavailable, Conflict, IsolationError, NoSuchContainer
from plugrun.interfaces.isolation import (
    EXEC,
    LIMIT_CPUSET,
    LIMIT_MEMORY,
    LIMIT_PIDS,
    PAUSE,
    PAUSED,
    RUNNING,
    STATS,
    STOPPED,
    UPDATE,
    Stdio,
)
from plugrun.testing.isolation.bundle import ID, Bundle, default_spec, read_all, reap
from plugrun.testing.isolation.fixtures import IsolationFixtures

_TICKING = "while :; do echo tick; usleep 1000; done"
_GROWING = """
trap 'grow=1' USR1
echo up
while [ -z "$grow" ]; do usleep 2000; done
dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo "dd $?"
"""
_FORKING = """
trap 'go=1' USR1
echo up
while [ -z "$go" ]; do usleep 2000; done
for i in 1 2 3 4 5 6; do sleep 1 & done; wait
"""


class LivingContract(IsolationFixtures):
    """Tasks that are paused, changed and counted while they live."""

    def _need(self, bundle: Bundle, *words: str) -> None:
        for word in words:
            if word not in bundle.isolation.capabilities:
                pytest.skip(f"has no {word} here")

    def _up(self, bundle: Bundle, script: str) -> int:
        _, reader = bundle.launch(default_spec(["sh", "-c", script]))
        assert os.read(reader, 3) == b"up\n"
        return reader

    # pause and resume

    def test_a_paused_task_does_nothing_until_it_is_resumed(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        _, reader = bundle.launch(default_spec(["sh", "-c", _TICKING]))
        assert os.read(reader, 5) == b"tick\n"
        isolation = bundle.isolation
        isolation.pause(ID)
        assert isolation.state(ID).status == PAUSED
        os.set_blocking(reader, False)
        while _readable(reader, 0):
            os.read(reader, 65536)
        # Twenty times what it needs for one more.
        assert not _readable(reader, 100)
        isolation.resume(ID)
        assert isolation.state(ID).status == RUNNING
        assert _readable(reader, 10000)
        os.close(reader)

    def test_the_freezer_is_named_and_says_so(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        if not task.freezer:
            pytest.skip("names no freezer")
        with open(task.freezer, encoding="utf-8") as stream:
            assert stream.read().strip() in ("THAWED", "0")
            bundle.isolation.pause(ID)
            stream.seek(0)
            assert stream.read().strip() not in ("THAWED", "0")
        os.close(reader)

    def test_pausing_twice_and_resuming_what_runs(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        isolation = bundle.isolation
        with pytest.raises(Conflict):
            isolation.resume(ID)
        isolation.pause(ID)
        with pytest.raises(Conflict):
            isolation.pause(ID)
        assert isolation.state(ID).status == PAUSED
        os.close(reader)

    def test_a_paused_task_can_be_killed(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        task, reader = bundle.launch(default_spec(["sh", "-c", "sleep 60; echo survived"]))
        bundle.isolation.pause(ID)
        bundle.isolation.kill(ID, signal.SIGKILL)
        assert reap(task.pid) == 137
        assert read_all(reader) == ""
        bundle.isolation.delete(ID)

    def test_a_paused_task_can_be_deleted_by_force(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        task, reader = bundle.launch(default_spec(["sh", "-c", "sleep 60 & sleep 60"]))
        bundle.isolation.pause(ID)
        bundle.isolation.delete(ID, force=True)
        assert reap(task.pid) == 137
        assert read_all(reader) == ""

    def test_everyone_of_a_paused_task_can_be_killed(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        task, reader = bundle.launch(default_spec(["sh", "-c", "sleep 60 & sleep 60"]))
        bundle.isolation.pause(ID)
        bundle.isolation.kill(ID, signal.SIGKILL, everyone=True)
        assert reap(task.pid) == 137
        assert read_all(reader) == ""

    def test_other_signals_wait_until_it_is_resumed(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        reader = self._up(bundle, "trap 'exit 3' TERM; echo up; while :; do usleep 2000; done")
        bundle.isolation.pause(ID)
        bundle.isolation.kill(ID, signal.SIGTERM)
        assert bundle.isolation.state(ID).status == PAUSED
        bundle.isolation.resume(ID)
        assert reap(bundle.made[ID]) == 3
        os.close(reader)

    def test_exec_in_a_paused_task_is_a_conflict(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE, EXEC)
        spec = default_spec(["sleep", "60"])
        _, reader = bundle.launch(spec)
        bundle.isolation.pause(ID)
        with pytest.raises(Conflict, match="paused"):
            bundle.isolation.exec(ID, spec["process"], Stdio(0, 1, 2))
        os.close(reader)

    def test_pausing_what_does_not_run(self, bundle: Bundle) -> None:
        self._need(bundle, PAUSE)
        task, reader = bundle.create(default_spec(["true"]))
        with pytest.raises(Conflict):
            bundle.isolation.pause(ID)
        bundle.isolation.start(ID)
        read_all(reader)
        reap(task.pid)
        assert bundle.isolation.state(ID).status == STOPPED
        for verb in (bundle.isolation.pause, bundle.isolation.resume):
            with pytest.raises(Conflict):
                verb(ID)

    # update

    def test_a_lower_memory_limit(self, bundle: Bundle) -> None:
        self._need(bundle, UPDATE, LIMIT_MEMORY)
        reader = self._up(bundle, _GROWING)
        size = 16 << 20
        bundle.isolation.update(ID, {"memory": {"limit": size, "swap": size}})
        bundle.isolation.kill(ID, signal.SIGUSR1)
        assert read_all(reader) == "dd 137\n"

    def test_a_higher_memory_limit(self, bundle: Bundle) -> None:
        self._need(bundle, UPDATE, LIMIT_MEMORY)
        spec = default_spec(["sh", "-c", _GROWING])
        small, large = 16 << 20, 256 << 20
        spec["linux"]["resources"]["memory"] = {"limit": small, "swap": small}
        _, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.update(ID, {"memory": {"limit": large, "swap": large}})
        bundle.isolation.kill(ID, signal.SIGUSR1)
        assert read_all(reader) == "dd 0\n"

    def test_no_memory_limit_any_more(self, bundle: Bundle) -> None:
        self._need(bundle, UPDATE, LIMIT_MEMORY)
        spec = default_spec(["sh", "-c", _GROWING])
        spec["linux"]["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
        _, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.update(ID, {"memory": {"limit": -1, "swap": -1}})
        bundle.isolation.kill(ID, signal.SIGUSR1)
        assert read_all(reader) == "dd 0\n"

    def test_a_pids_limit_is_changed(self, bundle: Bundle) -> None:
        self._need(bundle, UPDATE, LIMIT_PIDS)
        reader = self._up(bundle, _FORKING)
        bundle.isolation.update(ID, {"pids": {"limit": 4}})
        bundle.isolation.kill(ID, signal.SIGUSR1)
        assert "can't fork" in read_all(reader)

    def test_cpus_are_chosen(self, bundle: Bundle) -> None:
        self._need(bundle, LIMIT_CPUSET)
        spec = default_spec(["grep", "Cpus_allowed_list", "/proc/self/status"])
        last = max(os.sched_getaffinity(0))
        spec["linux"]["resources"]["cpu"] = {"cpus": str(last), "mems": "0"}
        assert bundle.run(spec)[1].split()[1] == str(last)

    def test_an_update_that_fails_changes_nothing(self, bundle: Bundle) -> None:
        self._need(bundle, UPDATE, LIMIT_PIDS, LIMIT_MEMORY)
        script = "trap 'sleep 1 & sleep 1 & wait; echo forked;"
        reader = self._up(bundle, f"{script} exit' USR1; echo up; while :; do usleep 2000; done")
        wrong = {
            "pids": {"limit": 2},
            "memory": {"limit": 256 << 20},
            "hugepageLimits": [{"pageSize": "3KB", "limit": 1}],
        }
        before = bundle.isolation.stats(ID)
        with pytest.raises((BackendUnavailable, IsolationError)):
            bundle.isolation.update(ID, wrong)  # type: ignore[arg-type]
        after = bundle.isolation.stats(ID)
        assert (after.memory_limit, after.pids_limit) == (before.memory_limit, before.pids_limit)
        bundle.isolation.kill(ID, signal.SIGUSR1)
        assert read_all(reader) == "forked\n"

    # stats and processes

    def test_what_it_uses(self, bundle: Bundle) -> None:
        self._need(bundle, STATS, LIMIT_MEMORY, LIMIT_PIDS)
        script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo up; sleep 60 & wait"
        spec = default_spec(["sh", "-c", script])
        spec["linux"]["resources"].update({"memory": {"limit": 64 << 20}, "pids": {"limit": 9}})
        _, reader = bundle.launch(spec)
        assert os.read(reader, 3) == b"up\n"
        while len(bundle.isolation.processes(ID)) < 2:
            pass  # sleep is on its way
        found = bundle.isolation.stats(ID)
        assert 0 < found.memory <= found.memory_peak <= 64 << 20
        assert (found.memory_limit, found.pids, found.pids_limit) == (64 << 20, 2, 9)
        assert found.cpu_ns >= 10**6
        assert found.cpus == os.sysconf("SC_NPROCESSORS_ONLN")
        os.close(reader)

    def test_processes_are_the_tasks_own(self, bundle: Bundle) -> None:
        self._need(bundle, STATS)
        reader = self._up(bundle, "sleep 60 & echo up; wait")
        found = bundle.isolation.processes(ID)
        assert bundle.made[ID] in found
        assert len(found) == 2
        own = os.readlink(f"/proc/{bundle.made[ID]}/ns/pid")
        assert [os.readlink(f"/proc/{pid}/ns/pid") for pid in found] == [own, own]
        os.close(reader)

    def test_a_paused_task_is_counted_too(self, bundle: Bundle) -> None:
        self._need(bundle, STATS, PAUSE)
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        bundle.isolation.pause(ID)
        assert bundle.isolation.processes(ID) == (bundle.made[ID],)
        assert bundle.isolation.stats(ID).cpus > 0
        os.close(reader)

    def test_a_stopped_or_unknown_task_has_none(self, bundle: Bundle) -> None:
        self._need(bundle, STATS, UPDATE)
        isolation = bundle.isolation
        for verb in (isolation.stats, isolation.processes, isolation.pause, isolation.resume):
            with pytest.raises(NoSuchContainer):
                verb(ID)
        task, reader = bundle.launch(default_spec(["true"]))
        read_all(reader)
        reap(task.pid)
        with pytest.raises(Conflict):
            isolation.stats(ID)
        with pytest.raises(Conflict):
            isolation.processes(ID)
        with pytest.raises(Conflict):
            isolation.update(ID, {"pids": {"limit": 5}})


def _readable(fd: int, milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(milliseconds))
