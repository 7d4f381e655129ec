"""What an isolation says of itself, and the life of a task."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import (
    AlreadyExists,
    Conflict,
    NoSuchContainer,
)
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.isolation import (
    CREATED,
    RUNNING,
    STOPPED,
    Stdio,
)

if TYPE_CHECKING:
    from plugrun.interfaces.isolation import Isolation

from plugrun.testing.isolation.bundle import (
    ID,
    WORDS,
    Bundle,
    default_spec,
    read_all,
    reap,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures


class LifeContract(IsolationFixtures):
    """What an isolation says of itself, and the life of a task."""

    def test_declares_known_capabilities(self, isolation: Isolation) -> None:
        assert isolation.capabilities <= WORDS
        assert not isolation.capabilities & self.lacks

    def test_probe_answers(self, isolation: Isolation) -> None:
        found = isolation.probe()
        assert isinstance(found, Probe)
        assert found.works or (found.reason and found.remedy)

    def test_life(self, bundle: Bundle) -> None:
        task, reader = bundle.create(default_spec(["sleep", "60"]))
        isolation = bundle.isolation
        assert isolation.state(ID).status == CREATED
        assert list(isolation.tasks()) == [ID]
        isolation.start(ID)
        found = isolation.state(ID)
        assert (found.status, found.pid, found.started) == (RUNNING, task.pid, task.started)
        assert found.bundle == bundle.path
        isolation.kill(ID, signal.SIGKILL)
        assert reap(task.pid) == 137
        assert isolation.state(ID).status == STOPPED
        isolation.delete(ID)
        assert list(isolation.tasks()) == []
        os.close(reader)

    def test_nothing_runs_before_start(self, bundle: Bundle) -> None:
        _, reader = bundle.create(default_spec(["touch", "/tmp/ran"]))
        assert not os.path.exists(os.path.join(bundle.root, "tmp/ran"))
        bundle.isolation.start(ID)
        read_all(reader)
        assert os.path.exists(os.path.join(bundle.root, "tmp/ran"))

    def test_exit_code_reaches_the_caller(self, bundle: Bundle) -> None:
        assert bundle.shell("exit 7") == (7, "")

    def test_a_second_start_is_a_conflict(self, bundle: Bundle) -> None:
        _, reader = bundle.launch(default_spec(["sleep", "60"]))
        with pytest.raises(Conflict):
            bundle.isolation.start(ID)
        os.close(reader)

    def test_an_id_is_taken_once(self, bundle: Bundle) -> None:
        _, reader = bundle.create(default_spec(["true"]))
        with pytest.raises(AlreadyExists):
            bundle.isolation.create(ID, bundle.path, Stdio(0, 1, 2))
        assert bundle.isolation.state(ID).status == CREATED
        os.close(reader)

    def test_kill_of_a_stopped_task_is_a_conflict(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["true"]))
        read_all(reader)
        reap(task.pid)
        with pytest.raises(Conflict):
            bundle.isolation.kill(ID, signal.SIGTERM)

    def test_kill_everyone(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sh", "-c", "sleep 60 & echo up; wait"]))
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.kill(ID, signal.SIGKILL, everyone=True)
        assert reap(task.pid) == 137
        assert read_all(reader) == ""

    def test_signals_arrive(self, bundle: Bundle) -> None:
        script = "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 1; done"
        task, reader = bundle.launch(default_spec(["sh", "-c", script]))
        assert os.read(reader, 3) == b"up\n"
        bundle.isolation.kill(ID, signal.SIGTERM)
        assert reap(task.pid) == 3
        assert read_all(reader) == "got\n"

    def test_delete_of_a_running_task_needs_force(self, bundle: Bundle) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        with pytest.raises(Conflict):
            bundle.isolation.delete(ID)
        bundle.isolation.delete(ID, force=True)
        assert reap(task.pid) == 137
        os.close(reader)

    def test_unknown_ids(self, isolation: Isolation) -> None:
        for verb in (isolation.state, isolation.delete, isolation.start):
            with pytest.raises(NoSuchContainer):
                verb(ID)
        with pytest.raises(NoSuchContainer):
            isolation.kill(ID, signal.SIGTERM)

    def test_the_bundle_is_not_changed(self, bundle: Bundle) -> None:
        assert bundle.shell("true")[0] == 0
        assert sorted(os.listdir(bundle.path)) == ["config.json", "rootfs"]

    def test_a_creator_killed_at_any_moment_leaves_nothing(self, bundle: Bundle) -> None:
        bundle.write(default_spec(["sleep", "60"]))
        for delay in range(0, 30, 2):
            creator = os.fork()
            if creator == 0:
                self._create_and_wait(bundle)
            time.sleep(delay / 1000)  # no event: the moment is what is varied
            os.kill(creator, signal.SIGKILL)
            os.waitpid(creator, 0)
            for id in bundle.isolation.tasks():
                bundle.isolation.delete(id, force=True)
            # Its processes, adopted by this one, have ended or are about to.
            while _reap_any():
                pass
            assert list(bundle.isolation.tasks()) == []
        assert bundle.shell("echo fine") == (0, "fine\n")

    def _create_and_wait(self, bundle: Bundle) -> None:
        try:
            bundle.isolation.create(ID, bundle.path, Stdio(0, 1, 2))
            signal.pause()
        finally:
            os._exit(1)


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True
