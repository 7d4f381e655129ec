"""Roots, and parts of them, that a program serves."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from plugrun.errors import PlugrunError
from plugrun.interfaces.isolation import EXEC, RUNNING, Stdio
from plugrun.model.mount import Mount
from plugrun.testing.isolation.bundle import ID, Bundle, default_spec, read_all, reap
from plugrun.testing.isolation.fixtures import IsolationFixtures
from plugrun.testing.onefile import await_end, one_file, servers

_KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


class ServedContract(IsolationFixtures):
    """Roots, and parts of them, that a program serves."""

    @pytest.fixture
    def word(self, bundle: Bundle) -> Iterator[str]:
        """Return what is said by the mount at /tmp, whose program is gone at the end."""
        word = f"said-{os.urandom(8).hex()}"
        root = Mount("bind", bundle.root, ("bind", "rw"))
        bundle.mounts = (root, one_file(word, target="tmp"))
        yield word
        bundle.close()
        bundle.made.clear()
        assert all(await_end(pid) for pid in servers(word))

    def test_a_part_of_the_root_is_served(self, bundle: Bundle, word: str) -> None:
        assert bundle.shell("cat /tmp/said; ls /tmp; ls /proc/self/fd | wc -l") == (
            0,
            f"{word}said\n4\n",
        )
        assert all(await_end(pid) for pid in servers(word))

    def test_the_program_is_outside(self, bundle: Bundle, word: str) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        [pid] = servers(word)
        for kind in _KINDS:
            own = os.readlink(f"/proc/self/ns/{kind}")
            assert os.readlink(f"/proc/{pid}/ns/{kind}") == own
        with open(f"/proc/{pid}/cgroup") as theirs, open("/proc/self/cgroup") as ours:
            assert theirs.read() == ours.read()
        # A program that answers has been loaded: it holds no file of its own start any more.
        assert os.listdir(f"/proc/{task.pid}/root/tmp") == ["said"]
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        # A signal from the terminal is not for it, and its end is not for us to reap.
        assert os.getsid(pid) not in (os.getsid(0), pid)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        assert task.pid != pid
        bundle.isolation.kill(ID, signal.SIGKILL)
        assert reap(task.pid) == 137
        assert await_end(pid)
        os.close(reader)

    def test_nobody_else_has_its_connection(self, bundle: Bundle, word: str) -> None:
        task, reader = bundle.launch(default_spec(["sleep", "60"]))
        for pid in (os.getpid(), task.pid):
            links = [_link(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert "/dev/fuse" not in links
            assert not any("fuse" in link or "memfd:plugrun-helper" in link for link in links)
        os.close(reader)

    def test_errors_when_it_is_killed_and_no_hang(self, bundle: Bundle, word: str) -> None:
        script = "echo up; read line < /proc/self/fd/0; cat /tmp/said; ls /tmp; echo on"
        bundle.write(default_spec(["sh", "-c", script]))
        stdin, gate = os.pipe()
        reader, writer = os.pipe()
        stdio = Stdio(stdin, writer, writer)
        bundle.made[ID] = bundle.isolation.create(ID, bundle.path, stdio, bundle.mounts).pid
        os.close(stdin)
        os.close(writer)
        bundle.isolation.start(ID)
        assert os.read(reader, 3) == b"up\n"
        [pid] = servers(word)
        os.kill(pid, signal.SIGKILL)
        assert await_end(pid)
        assert bundle.isolation.state(ID).status == RUNNING
        os.write(gate, b"go\n")
        os.close(gate)
        said = read_all(reader)
        assert said.count("not connected") == 2
        assert said.endswith("on\n")
        assert reap(bundle.made[ID]) == 0
        bundle.isolation.delete(ID)

    def test_exec_after_it_is_killed(self, bundle: Bundle, word: str) -> None:
        if EXEC not in bundle.isolation.capabilities:
            pytest.skip("has no exec here")
        spec = default_spec(["sleep", "60"])
        _, reader = bundle.launch(spec)
        [pid] = servers(word)
        os.kill(pid, signal.SIGKILL)
        assert await_end(pid)
        process = {**spec["process"], "args": ["cat", "/tmp/said"]}
        child = bundle.isolation.exec(ID, process, Stdio(0, 1, 2))  # type: ignore[arg-type]
        assert reap(child) == 1
        bundle.isolation.delete(ID, force=True)
        assert reap(bundle.made.pop(ID)) == 137
        os.close(reader)

    def test_one_that_ends_at_once_is_quoted(self, bundle: Bundle) -> None:
        word = f"said-{os.urandom(8).hex()}"
        bundle.mounts = (one_file(word, "--die"),)
        with pytest.raises(PlugrunError, match="there is nothing to serve") as caught:
            bundle.create(default_spec(["true"]))
        assert "one thing" in caught.value.hint
        assert list(bundle.isolation.tasks()) == []
        assert servers(word) == []

    def test_one_that_cannot_be_executed(self, bundle: Bundle) -> None:
        bundle.mounts = (Mount("fuse", "none", helper=("/no/such/program",)),)
        with pytest.raises(PlugrunError, match=r"/no/such/program.*no such file"):
            bundle.create(default_spec(["true"]))
        assert list(bundle.isolation.tasks()) == []

    def test_it_ends_with_a_task_that_is_never_started(self, bundle: Bundle, word: str) -> None:
        task, reader = bundle.create(default_spec(["true"]))
        [pid] = servers(word)
        bundle.isolation.delete(ID, force=True)
        reap(task.pid)
        bundle.made.clear()
        assert await_end(pid)
        os.close(reader)

    def test_it_ends_with_a_task_that_cannot_be_made(self, bundle: Bundle, word: str) -> None:
        before = sorted(os.listdir("/proc/self/fd"))
        with pytest.raises(PlugrunError, match="no-such-command"):
            bundle.create(default_spec(["no-such-command"]))
        assert all(await_end(pid) for pid in servers(word))
        assert sorted(os.listdir("/proc/self/fd")) == before


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""  # the descriptor of the listing itself
