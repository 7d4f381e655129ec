"""The backend's object: the contract's verbs, each handed to where it is done."""

from __future__ import annotations

import os

from plugrun.api import (
    DEVICE_FENCE,
    EARLY_PID,
    EXEC,
    HOST_NETWORK,
    LIMIT_CPU,
    LIMIT_CPUSET,
    LIMIT_IO,
    LIMIT_MEMORY,
    LIMIT_PIDS,
    PAUSE,
    SHARED_MOUNTS,
    STATS,
    UPDATE,
    USER_NAMESPACES,
    BackendUnavailable,
    Mount,
    NotRoot,
    PlugrunError,
    Probe,
    Stdio,
    Task,
    task_ids,
)

from plugrun_isolation_ns.cgroups import Hierarchy, choose, hierarchies
from plugrun_isolation_ns.state import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from plugrun.api import Process, Resources, Stats

_BY_CONTROLLER = {
    "memory": LIMIT_MEMORY,
    "cpu": LIMIT_CPU,
    "cpuset": LIMIT_CPUSET,
    "pids": LIMIT_PIDS,
    "blkio": LIMIT_IO,
    "io": LIMIT_IO,
    "devices": DEVICE_FENCE,
    "freezer": PAUSE,
}


class NamespaceIsolation:
    """Namespaces, cgroups, capabilities and seccomp, by system calls from this process."""

    def __init__(self, state: str, options: Mapping[str, Any], *, outlives: bool = False) -> None:
        """Keep state below ``state``; see ``Creation`` for ``outlives``."""
        self._state = state
        self._outlives = outlives
        self._wanted = options.get("cgroup_version", "auto")
        self._parent = options.get("cgroup_parent", "plugrun").strip("/")
        self._found: tuple[Hierarchy, ...] | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """What the cgroup controllers of this machine allow, and what always works."""
        words = {EARLY_PID, EXEC, HOST_NETWORK, SHARED_MOUNTS, USER_NAMESPACES}
        try:
            version = choose(self._hierarchies(), self._wanted)
        except BackendUnavailable:
            return frozenset(words)
        controllers = _controllers(self._hierarchies(), version)
        words.update(word for name, word in _BY_CONTROLLER.items() if name in controllers)
        words.update((STATS, UPDATE))
        if version == "v2":
            words.update((DEVICE_FENCE, PAUSE))
        return frozenset(words)

    def probe(self) -> Probe:
        """Find out whether containers can be made here."""
        from plugrun_isolation_ns.probe import probe

        return probe(self._hierarchies(), self._wanted)

    def _hierarchies(self) -> tuple[Hierarchy, ...]:
        if self._found is None:
            self._found = hierarchies()
        return self._found

    def preload(self) -> None:
        """Import what ``create``, ``start`` and ``delete`` import, and look at the cgroups."""
        import plugrun_isolation_ns.create
        import plugrun_isolation_ns.verbs  # noqa: F401

        self._hierarchies()

    def create(
        self,
        id: str,
        bundle: str,
        stdio: Stdio,
        rootfs: Sequence[Mount] = (),
        *,
        preserved: Sequence[int] = (),
        named: Callable[[int], None] | None = None,
    ) -> Task:
        """Make the container up to the point before its command runs."""
        from plugrun_isolation_ns.create import Creation

        if os.geteuid() != 0:
            raise NotRoot("isolation ns makes containers as root only", hint="run it with sudo")
        folder = Folder(self._state, id)
        found = self._hierarchies()
        version = choose(found, self._wanted)
        cache = os.path.join(self._state, ".seccomp")
        creation = Creation(
            folder, bundle, stdio, rootfs, outlives=self._outlives, preserved=preserved, named=named
        )
        creation.run(found, version, self._parent, cache)
        return folder.task()

    def start(self, id: str) -> None:
        """Run the command of a created container; return when it has been executed."""
        from plugrun_isolation_ns.verbs import start

        start(Folder(self._state, id))

    def state(self, id: str) -> Task:
        """Return the task as it is now."""
        return Folder(self._state, id).task()

    def kill(self, id: str, signal: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process of the container."""
        from plugrun_isolation_ns.verbs import kill

        kill(Folder(self._state, id), signal, everyone=everyone)

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove all traces; with ``force`` kill what still runs."""
        from plugrun_isolation_ns.verbs import delete

        delete(Folder(self._state, id), force=force)

    def exec(
        self, id: str, process: Process, stdio: Stdio, *, preserved: Sequence[int] = ()
    ) -> int:
        """Execute one more command in a running container; return its PID."""
        from plugrun_isolation_ns.exec import execute

        cache = os.path.join(self._state, ".seccomp")
        return execute(Folder(self._state, id), dict(process), stdio, cache, preserved)

    def pause(self, id: str) -> None:
        """Stop every process of a running container where it is; return when they have."""
        from plugrun_isolation_ns.verbs import pause

        pause(Folder(self._state, id))

    def resume(self, id: str) -> None:
        """Let the processes of a paused container go on."""
        from plugrun_isolation_ns.verbs import resume

        resume(Folder(self._state, id))

    def update(self, id: str, resources: Resources) -> None:
        """Change limits of a created, running or paused container: all that are named, or none."""
        from plugrun_isolation_ns.verbs import update

        update(Folder(self._state, id), dict(resources))

    def stats(self, id: str) -> Stats:
        """Return what a container uses."""
        from plugrun_isolation_ns.verbs import stats

        return stats(Folder(self._state, id))

    def processes(self, id: str) -> tuple[int, ...]:
        """Return the PIDs of a container's processes as this namespace sees them, in order."""
        from plugrun_isolation_ns.verbs import processes

        return processes(Folder(self._state, id))

    def tasks(self) -> Sequence[str]:
        """Return the IDs that state exists for, also of containers that died with their maker."""
        return task_ids(self._state)


def _controllers(found: Sequence[Hierarchy], version: str) -> set[str]:
    if version == "v1":
        return {name for h in found if not h.unified for name in h.controllers}
    root = next(h.mountpoint for h in found if h.unified)
    try:
        with open(os.path.join(root, "cgroup.controllers"), "rb") as stream:
            return set(stream.read().decode().split())
    except OSError as error:
        raise PlugrunError(f"{root}: {error.strerror}") from None
