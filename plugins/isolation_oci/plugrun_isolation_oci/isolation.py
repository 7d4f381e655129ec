"""The backend's object: the contract's verbs, each handed to where it is done."""

from __future__ import annotations

import os

from plugrun.api import (
    DEVICE_FENCE,
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
    Mount,
    NotRoot,
    Probe,
    Stdio,
    Task,
    hierarchies,
    task_ids,
)

from plugrun_isolation_oci.group import Group, controllers
from plugrun_isolation_oci.program import Runtime
from plugrun_isolation_oci.state import RUNTIME, Facts, Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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


class RuntimeIsolation:
    """Containers made by an installed OCI runtime."""

    def __init__(self, state: str, options: Mapping[str, Any]) -> None:
        """Keep state below ``state``, the runtime's own in ``.runtime`` there."""
        self._state = state
        name = options.get("runtime", "runc")
        arguments = tuple(options.get("arguments", ()))
        self._runtime = Runtime(name, arguments, os.path.join(os.path.abspath(state), RUNTIME))
        self._parent = options.get("cgroup_parent", "plugrun").strip("/")

    @property
    def capabilities(self) -> frozenset[str]:
        """What the cgroup controllers of this machine allow, and what always works."""
        have = controllers(hierarchies())
        words = {EXEC, HOST_NETWORK, SHARED_MOUNTS, STATS, UPDATE, USER_NAMESPACES}
        words.update(word for name, word in _BY_CONTROLLER.items() if name in have)
        return frozenset(words)

    def probe(self) -> Probe:
        """Find out whether the runtime makes containers here, by letting it make one."""
        from plugrun_isolation_oci.probe import probe

        return probe(self._state, self._runtime, self._parent)

    def preload(self) -> None:
        """Import what ``create``, ``start`` and ``delete`` import."""
        import plugrun_isolation_oci.create
        import plugrun_isolation_oci.verbs  # noqa: F401

    def _folder(self, id: str) -> Folder:
        return Folder(os.path.abspath(self._state), id)

    def create(self, id: str, bundle: str, stdio: Stdio, rootfs: Sequence[Mount] = ()) -> Task:
        """Make the container up to the point before its command runs."""
        from plugrun_isolation_oci.create import Creation

        if os.geteuid() != 0:
            raise NotRoot("isolation oci makes containers as root only", hint="run it with sudo")
        folder = self._folder(id)
        Creation(self._runtime, folder, bundle, stdio, self._parent).run(rootfs)
        return self._task(id, folder.read(), "created")

    def start(self, id: str) -> None:
        """Run the command of a created container; return when it has been executed."""
        from plugrun_isolation_oci.verbs import start

        start(self._runtime, self._folder(id))

    def state(self, id: str) -> Task:
        """Return the task as it is now."""
        from plugrun_isolation_oci.verbs import status

        folder = self._folder(id)
        facts = folder.read()
        return self._task(id, facts, status(self._runtime, folder, facts))

    def _task(self, id: str, facts: Facts, status: str) -> Task:
        group = Group(facts.cgroup) if facts.cgroup else None
        return Task(
            id=id,
            pid=facts.pid,
            started=facts.started,
            status=status,
            bundle=facts.bundle,
            oom_counter=group.oom_counter if group else "",
            freezer=group.freezer if group else "",
        )

    def kill(self, id: str, signal: int, *, everyone: bool = False) -> None:
        """Send a signal to the first process, or to every process of the container."""
        from plugrun_isolation_oci.verbs import kill

        kill(self._runtime, self._folder(id), signal, everyone=everyone)

    def delete(self, id: str, *, force: bool = False) -> None:
        """Remove all traces; with ``force`` kill what still runs."""
        from plugrun_isolation_oci.verbs import delete

        delete(self._runtime, self._folder(id), force=force)

    def exec(self, id: str, process: Process, stdio: Stdio) -> int:
        """Execute one more command in a running container; return its PID."""
        from plugrun_isolation_oci.exec import execute

        return execute(self._runtime, self._folder(id), dict(process), stdio)

    def pause(self, id: str) -> None:
        """Stop every process of a running container where it is; return when they have."""
        from plugrun_isolation_oci.verbs import pause

        pause(self._runtime, self._folder(id))

    def resume(self, id: str) -> None:
        """Let the processes of a paused container go on."""
        from plugrun_isolation_oci.verbs import resume

        resume(self._runtime, self._folder(id))

    def update(self, id: str, resources: Resources) -> None:
        """Change limits of a created, running or paused container: all that are named, or none."""
        from plugrun_isolation_oci.verbs import update

        update(self._runtime, self._folder(id), dict(resources))

    def stats(self, id: str) -> Stats:
        """Return what a container uses."""
        from plugrun_isolation_oci.verbs import stats

        return stats(self._folder(id))

    def processes(self, id: str) -> tuple[int, ...]:
        """Return the PIDs of a container's processes as this namespace sees them, in order."""
        from plugrun_isolation_oci.verbs import processes

        return processes(self._folder(id))

    def tasks(self) -> Sequence[str]:
        """Return the IDs that state exists for, also of containers that died with their maker."""
        return task_ids(self._state)
