"""The PID of a container's process, told while the container is made."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from plugrun.errors import PlugrunError
from plugrun.interfaces.isolation import EARLY_PID, Stdio
from plugrun.linux import process
from plugrun.testing.forked import in_child
from plugrun.testing.isolation.bundle import ID, Bundle, default_spec, read_all
from plugrun.testing.isolation.fixtures import IsolationFixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.interfaces.isolation import Task

_SIOCGIFFLAGS, _IFF_UP = 0x8913, 0x1


class EarlyContract(IsolationFixtures):
    """An isolation that lets a network be attached while mounts are made."""

    needs = frozenset((EARLY_PID,))

    @pytest.fixture
    def create(self, bundle: Bundle) -> Callable[..., Task]:
        if EARLY_PID not in bundle.isolation.capabilities:
            pytest.skip("this isolation tells the PID when all is made")
        make: Any = bundle.isolation.create
        return lambda stdio, named: make(ID, bundle.path, stdio, bundle.mounts, named=named)

    def test_the_pid_is_told_once_the_namespaces_are_there(
        self, bundle: Bundle, create: Callable[..., Task]
    ) -> None:
        told: list[tuple[int, str]] = []

        def named(pid: int) -> None:
            told.append((pid, os.readlink(f"/proc/{pid}/ns/net")))

        bundle.write(default_spec(["readlink", "/proc/self/ns/net"]))
        reader, writer = os.pipe()
        task = create(Stdio(0, writer, writer), named)
        bundle.made[ID] = task.pid
        os.close(writer)
        [(pid, namespace)] = told
        assert pid == task.pid
        assert namespace != os.readlink("/proc/self/ns/net")
        bundle.isolation.start(ID)
        assert read_all(reader) == f"{namespace}\n"

    def test_the_loopback_works_by_then(self, bundle: Bundle, create: Callable[..., Task]) -> None:
        """Servers for the container may be started in its namespace at once (names of others)."""
        told: list[bool] = []
        bundle.write(default_spec(["true"]))

        def look(pid: int) -> None:
            told.append(in_child(lambda: is_loopback_up(pid)))

        bundle.made[ID] = create(Stdio(0, 1, 2), look).pid
        assert told == [True]

    def test_what_fails_after_that_leaves_nothing(
        self, bundle: Bundle, create: Callable[..., Task]
    ) -> None:
        told: list[int] = []
        spec = default_spec(["true"])
        absent = {"destination": "/absent", "type": "bind", "source": f"{bundle.path}/absent"}
        spec["mounts"].append({**absent, "options": ["bind"]})
        bundle.write(spec)
        with pytest.raises(PlugrunError):
            create(Stdio(0, 1, 2), told.append)
        [pid] = told
        assert not os.path.exists(f"/proc/{pid}")
        assert list(bundle.isolation.tasks()) == []


def is_loopback_up(pid: int) -> bool:
    """Whether a process's own loopback is up; this process stays in its network namespace."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    process.setns(namespace, process.CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
        answer = fcntl.ioctl(asks.fileno(), _SIOCGIFFLAGS, b"lo".ljust(32, b"\0"))
    return bool(answer[16] & _IFF_UP)
