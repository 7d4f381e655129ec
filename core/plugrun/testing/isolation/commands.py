"""Commands that cannot run, and those that exec adds."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from plugrun.errors import (
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    IsolationError,
)
from plugrun.interfaces.isolation import (
    EXEC,
    RUNNING,
    Stdio,
)
from plugrun.testing.isolation.bundle import (
    ID,
    Bundle,
    default_spec,
    read_all,
    reap,
)
from plugrun.testing.isolation.fixtures import IsolationFixtures

# execve(2) answers EACCES; who looks first knows better.
_FOLDER = "is a directory|permission denied"


class CommandContract(IsolationFixtures):
    """Commands that cannot run, and those that exec adds."""

    @pytest.mark.parametrize(
        ("command", "error", "text"),
        [
            ("nothing-here", CommandNotFound, r"executable file not found in \$PATH"),
            ("/no/such", CommandNotFound, "no such file or directory"),
            ("/etc", CommandNotExecutable, _FOLDER),
            ("/tmp/plain", CommandNotExecutable, "permission denied"),
            ("/tmp/garbage", CommandNotExecutable, "exec format error"),
            ("/tmp/lost", CommandNotFound, "no such file or directory"),
        ],
    )
    def test_commands_that_fail(
        self, bundle: Bundle, command: str, error: type[IsolationError], text: str
    ) -> None:
        files = {"plain": ("", 0o644), "garbage": ("\1\2\3", 0o755), "lost": ("#!/no/sh\n", 0o755)}
        for name, (content, mode) in files.items():
            path = os.path.join(bundle.root, "tmp", name)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(path, mode)
        with pytest.raises(error) as caught:
            bundle.launch(default_spec([command]))
        assert re.search(text, caught.value.message)
        assert type(caught.value) is error

    # exec

    def _running(self, bundle: Bundle) -> dict[str, Any]:
        if EXEC not in bundle.isolation.capabilities:
            pytest.skip("cannot execute in a running container")
        spec = default_spec(["sleep", "60"])
        _, reader = bundle.launch(spec)
        os.close(reader)
        process: dict[str, Any] = spec["process"]
        return process

    def _exec(self, bundle: Bundle, process: dict[str, Any]) -> tuple[int, str]:
        reader, writer = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            pid = bundle.isolation.exec(ID, process, Stdio(null, writer, writer))  # type: ignore[arg-type]
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
            os.close(null)
        return reap(pid), read_all(reader)

    def test_exec(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        script = "hostname; tr '\\0' ' ' < /proc/1/cmdline; echo; grep CapEff /proc/self/status"
        code, output = self._exec(bundle, {**process, "args": ["sh", "-c", script + "; exit 4"]})
        lines = output.splitlines()
        assert code == 4
        assert lines[0] == "box"
        assert lines[1].startswith("sleep 60")
        assert int(lines[2].split()[1], 16) == 0xA80425FB

    def test_exec_is_fenced_in_too(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        script = (
            "cat /proc/1/cgroup /proc/self/cgroup | sort -u | wc -l; cat /proc/1/cgroup | wc -l"
        )
        output = self._exec(bundle, {**process, "args": ["sh", "-c", script]})[1].split()
        assert output[0] == output[1]
        code, text = self._exec(bundle, {**process, "args": ["unshare", "-m", "true"]})
        assert code != 0
        assert "Operation not permitted" in text
        output = self._exec(bundle, {**process, "args": ["ls", "/proc/self/fd"]})[1].split()
        assert output == ["0", "1", "2", "3"]

    def test_exec_with_a_terminal(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        master, replica = os.openpty()
        stdio = Stdio(replica, replica, replica, terminal=True)
        process = {**process, "args": ["sh", "-c", "echo there > /dev/tty"]}
        pid = bundle.isolation.exec(ID, process, stdio)  # type: ignore[arg-type]
        os.close(replica)
        assert reap(pid) == 0
        assert b"there" in os.read(master, 4096)
        os.close(master)

    def test_exec_that_fails(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        with pytest.raises(CommandNotFound, match="executable file not found"):
            self._exec(bundle, {**process, "args": ["nothing-here"]})
        with pytest.raises(CommandNotExecutable, match=_FOLDER):
            self._exec(bundle, {**process, "args": ["/etc"]})
        assert bundle.isolation.state(ID).status == RUNNING

    def test_exec_needs_a_running_task(self, bundle: Bundle) -> None:
        process = self._running(bundle)
        bundle.isolation.kill(ID, signal.SIGKILL)
        reap(bundle.made[ID])
        with pytest.raises(Conflict):
            self._exec(bundle, process)


def _reap_any() -> bool:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        return False
    return True
