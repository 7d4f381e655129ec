"""cgroup v2: one folder (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import os
import select

from plugrun.api import BackendUnavailable

from plugrun_isolation_ns.cgroups import base
from plugrun_isolation_ns.cgroups.base import Cgroup, Hierarchy, limit, unavailable, word_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_KNOWN = {
    "devices": frozenset[str](),
    "unified": frozenset[str](),
    "memory": frozenset(("limit", "reservation", "swap")),
    "cpu": frozenset(("shares", "quota", "period", "cpus", "mems")),
    "pids": frozenset(("limit",)),
}
# Those a container gets for its limits and for counting; where one is missing, its limits are
# refused and the rest works.
_WANTED = ("cpu", "cpuset", "io", "memory", "pids")


class CgroupV2(Cgroup):
    """The container's one folder."""

    version = "v2"
    before_clone = True

    def __init__(self, hierarchy: Hierarchy, path: str) -> None:
        self._root = hierarchy.mountpoint
        self._path = hierarchy.mountpoint + path
        super().__init__((self._path,))

    @classmethod
    def of_paths(cls, paths: Sequence[str]) -> CgroupV2:
        """Return the group that a task's state names."""
        group = cls(Hierarchy("", unified=True, controllers=()), "")
        group.paths = tuple(paths)
        group._path = paths[0] if paths else ""
        return group

    @property
    def oom_counter(self) -> str:
        """memory.events has the line."""
        return os.path.join(self._path, "memory.events")

    def create(self, resources: dict[str, Any]) -> None:
        """Make the folder and write the limits into it."""
        base.refuse_unknown(resources, _KNOWN)
        base.make(self._path, self._made)
        self._enable_controllers()
        self._limit_memory(resources.get("memory") or {})
        self._limit_cpu(resources.get("cpu") or {})
        pids = (resources.get("pids") or {}).get("limit")
        if pids:
            self._limit("pids", "pids.max", word_for(pids), "pids.limit")
        for file, value in (resources.get("unified") or {}).items():
            self._limit(file.partition(".")[0], os.path.basename(file), value, f"unified {file}")
        if resources.get("devices"):
            self._fence_devices(resources["devices"])

    def _enable_controllers(self) -> None:
        """Hand the controllers down from the root to the folder above ours."""
        if os.path.exists(os.path.join(self._path, "memory.max")):
            return
        folder = self._root
        for part in os.path.dirname(self._path)[len(self._root) :].split("/"):
            folder = os.path.join(folder, part)
            have = base.read(os.path.join(folder, "cgroup.controllers")).split()
            for name in _WANTED:
                if name in have:
                    self._enable(folder, name)

    def _enable(self, folder: str, name: str) -> None:
        try:
            base.write(os.path.join(folder, "cgroup.subtree_control"), f"+{name}")
        except OSError as error:
            # Only the real root may hold processes and hand controllers down ("no internal
            # processes"). A limit that needs this controller is refused when it is written.
            self._why_not = f"{folder}/cgroup.subtree_control: {error.strerror}"

    _why_not = ""

    def _limit(self, controller: str, file: str, value: str, word: str) -> None:
        path = os.path.join(self._path, file)
        if self._why_not and not os.path.exists(path):
            raise unavailable(controller, word, self._why_not)
        limit(path, value, controller, word)

    def _limit_memory(self, memory: dict[str, Any]) -> None:
        total, swap = memory.get("limit"), memory.get("swap")
        if total:
            self._limit("memory", "memory.max", word_for(total), "memory.limit")
        if memory.get("reservation"):
            value = word_for(memory["reservation"])
            self._limit("memory", "memory.low", value, "memory.reservation")
        if not swap:
            return
        # The spec counts memory and swap together, v2 counts swap alone.
        alone = swap if swap < 0 else swap - (total or 0)
        file = os.path.join(self._path, "memory.swap.max")
        if os.path.exists(file) or base.has_swap():
            self._limit("memory", "memory.swap.max", word_for(max(alone, -1)), "memory.swap")

    def _limit_cpu(self, cpu: dict[str, Any]) -> None:
        shares = cpu.get("shares")
        if shares:
            # 2..262144 onto 1..10000, as the runtime spec's implementations agree on.
            weight = 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142
            self._limit("cpu", "cpu.weight", str(weight), "cpu.shares")
        quota, period = cpu.get("quota"), cpu.get("period")
        if quota or period:
            value = f"{word_for(quota or -1)} {period or 100000}"
            self._limit("cpu", "cpu.max", value, "cpu.quota")
        for name in ("cpus", "mems"):
            if cpu.get(name):
                self._limit("cpuset", f"cpuset.{name}", cpu[name], f"cpu.{name}")

    def _fence_devices(self, rules: list[dict[str, Any]]) -> None:
        from plugrun_isolation_ns.cgroups.device_filter import attach

        try:
            attach(self._path, rules)
        except OSError as error:
            raise BackendUnavailable(
                f"devices cannot be fenced in: bpf: {(error.strerror or '').lower()}",
                hint="the kernel needs CONFIG_CGROUP_BPF, and this process CAP_BPF or SYS_ADMIN",
            ) from None

    def descriptor(self) -> int:
        """Open the folder for CLONE_INTO_CGROUP."""
        return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def join(self) -> None:
        """clone3 put the process here (CLONE_INTO_CGROUP): no wait for all CPUs as on a move."""

    def thaw(self) -> None:
        """Wake a frozen group."""
        file = os.path.join(self._path, "cgroup.freeze")
        if os.path.exists(file):
            base.write(file, "0")

    def kill(self) -> None:
        """cgroup.kill takes them all at once (Linux 5.14); cgroup.events tells when they ended."""
        try:
            base.write(os.path.join(self._path, "cgroup.kill"), "1")
        except FileNotFoundError:
            super().kill()
            return
        _wait_empty(os.path.join(self._path, "cgroup.events"))


def _wait_empty(events: str) -> None:
    try:
        fd = os.open(events, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    try:
        while b"populated 1" in os.pread(fd, 256, 0):
            if not poll.poll(10000):
                return  # removal says which group is still in use
    except OSError:
        return  # ENODEV: the group is gone
    finally:
        os.close(fd)
