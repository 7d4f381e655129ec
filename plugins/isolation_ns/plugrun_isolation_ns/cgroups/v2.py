"""cgroup v2: one folder (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import os
import select

from plugrun.api import BackendUnavailable, Hierarchy, IsolationError

from plugrun_isolation_ns.cgroups import base, limits, limits_v2
from plugrun_isolation_ns.cgroups.base import Cgroup
from plugrun_isolation_ns.cgroups.limits import Limit, unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.api import Stats

# Those a container gets for its limits and for counting; where one is missing, its limits are
# refused and the rest works.
_WANTED = ("cpu", "cpuset", "io", "memory", "pids")
_PATIENCE_MS = 10000


class CgroupV2(Cgroup):
    """The container's one folder."""

    version = "v2"
    before_clone = True

    def __init__(self, hierarchy: Hierarchy, path: str) -> None:
        self._root = hierarchy.mountpoint
        self._path = hierarchy.mountpoint + path
        super().__init__((self._path,))

    @classmethod
    def of_facts(cls, facts: dict[str, Any]) -> CgroupV2:
        """Return the group that a task's state names."""
        paths = facts.get("paths") or []
        group = cls(Hierarchy("", unified=True, controllers=()), "")
        group.paths = tuple(paths)
        group._path = paths[0] if paths else ""
        return group

    @property
    def oom_counter(self) -> str:
        """memory.events has the line."""
        return os.path.join(self._path, "memory.events")

    @property
    def freezer(self) -> str:
        """cgroup.freeze says 0 or 1."""
        return os.path.join(self._path, "cgroup.freeze")

    def create(self, resources: dict[str, Any], made: list[str] | None = None) -> None:
        """Make the folder, of which ``made`` takes note, and write the limits into it."""
        limits.refuse_unknown(resources, limits_v2.KNOWN)
        base.make(self._path, self._made if made is None else made)
        self._enable_controllers(bool(resources.get("hugepageLimits")))
        for limit in limits_v2.limits(resources, self._path):
            path = self._place(limit)
            if path:
                limits.apply(path, limit)
        if resources.get("devices"):
            self._fence_devices(resources["devices"])

    def _enable_controllers(self, hugetlb: bool) -> None:
        """Hand the controllers down from the root to the folder above ours."""
        wanted = (*_WANTED, "hugetlb") if hugetlb else _WANTED
        if set(limits.read(os.path.join(self._path, "cgroup.controllers")).split()) >= set(wanted):
            return
        folder = self._root
        for part in os.path.dirname(self._path)[len(self._root) :].split("/"):
            folder = os.path.join(folder, part)
            have = limits.read(os.path.join(folder, "cgroup.controllers")).split()
            for name in wanted:
                if name in have:
                    self._enable(folder, name)

    def _enable(self, folder: str, name: str) -> None:
        try:
            limits.write(os.path.join(folder, "cgroup.subtree_control"), f"+{name}")
        except OSError as error:
            # Only the real root may hold processes and hand controllers down ("no internal
            # processes"). A limit that needs this controller is refused when it is written.
            self._why_not = f"{folder}/cgroup.subtree_control: {error.strerror}"

    _why_not = ""

    def _place(self, limit: Limit) -> str:
        """Return the file a limit goes to, or nothing where it holds without being written."""
        path = os.path.join(self._path, limit.file)
        if limits.is_beyond_kernel(path):
            return ""
        if limit.file == limits_v2.SWAP_FILE and not os.path.exists(path):
            return path if limits.has_swap() else ""
        if self._why_not and not os.path.exists(path):
            raise unavailable(limit.controller, limit.word, self._why_not)
        return path

    def update(self, resources: dict[str, Any]) -> None:
        """Change limits: all that are named, or none."""
        limits.refuse_unknown(resources, limits_v2.KNOWN)
        limits.apply_all(self.placed(resources))

    def placed(self, resources: dict[str, Any]) -> list[tuple[str, Limit]]:
        """Return the limits with the files that they are to be written to."""
        found = [(self._place(one), one) for one in limits_v2.limits(resources, self._path)]
        return [(path, limit) for path, limit in found if path]

    def _fence_devices(self, rules: list[dict[str, Any]]) -> None:
        from plugrun_isolation_ns.cgroups.device_filter import attach

        try:
            attach(self._path, rules)
        except OSError as error:
            raise BackendUnavailable(
                f"devices cannot be fenced in: bpf: {(error.strerror or '').lower()}",
                hint="the kernel needs CONFIG_CGROUP_BPF, and this process CAP_BPF or SYS_ADMIN",
            ) from None

    def descriptor(self, beside: int = 0) -> int:
        """Open the folder for CLONE_INTO_CGROUP, or where ``beside`` has gone beneath it.

        A container that divides what it has among groups of its own leaves none in the one above
        them, and none may come there any more ("no internal process constraint").
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        return os.open(self._open_group(beside), flags)

    def _open_group(self, beside: int) -> str:
        if beside and limits.read(os.path.join(self._path, "cgroup.subtree_control")):
            return self._group_of(beside)
        return self._path

    def _group_of(self, pid: int) -> str:
        """Return the process's group as a folder, if it is the container's or beneath that."""
        # The file has the path from the root of this process's cgroup namespace on.
        parts = limits.read(f"/proc/{pid}/cgroup").partition("::")[2].split("/")
        for cut in range(len(parts), 1, -1):
            if self._path.endswith("/".join(parts[:cut])):
                return os.path.join(self._path, *parts[cut:])
        return self._path

    def doors(self, beside: int = 0) -> tuple[str, ...]:
        """Return ``cgroup.procs`` of the folder that ``descriptor`` opens."""
        return (os.path.join(self._open_group(beside), "cgroup.procs"),)

    def join(self) -> None:
        """clone3 put the process here (CLONE_INTO_CGROUP): no wait for all CPUs as on a move."""

    def freeze(self) -> None:
        """Stop every process; a group that cannot be stopped whole is woken again."""
        try:
            limits.write(self.freezer, "1")
            stopped = _wait_for(os.path.join(self._path, "cgroup.events"), b"frozen 1")
        except BaseException:
            self.thaw()
            raise
        if not stopped:
            self.thaw()
            raise IsolationError(
                f"cgroup {self._path} cannot be frozen",
                hint="a process that waits for a device cannot be stopped: see its state D in ps",
            )

    def thaw(self) -> None:
        """Wake a frozen group."""
        if os.path.exists(self.freezer):
            limits.write(self.freezer, "0")

    def kill(self) -> None:
        """cgroup.kill takes them all at once (Linux 5.14); cgroup.events tells when they ended."""
        try:
            limits.write(os.path.join(self._path, "cgroup.kill"), "1")
        except FileNotFoundError:
            super().kill()
            return
        try:
            # If they do not end, removal says which group is still in use.
            _wait_for(os.path.join(self._path, "cgroup.events"), b"populated 0")
        except OSError:
            return  # ENOENT, ENODEV: the group is gone

    def stats(self) -> Stats:
        """Return what the group uses."""
        from plugrun.api import stats_v2

        return stats_v2(self._path)


def _wait_for(events: str, line: bytes) -> bool:
    """Wait until cgroup.events has a line; False if it takes too long."""
    fd = os.open(events, os.O_RDONLY | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    try:
        while line not in os.pread(fd, 256, 0):
            if not poll.poll(_PATIENCE_MS):
                return False
    finally:
        os.close(fd)
    return True
