"""cgroup v1: a folder in every mounted hierarchy (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import os

from plugrun_isolation_ns.cgroups import base
from plugrun_isolation_ns.cgroups.base import Cgroup, Hierarchy, limit, unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_KNOWN = {
    "devices": frozenset[str](),
    "memory": frozenset(("limit", "reservation", "swap", "swappiness", "disableOOMKiller")),
    "cpu": frozenset(("shares", "quota", "period", "cpus", "mems")),
    "pids": frozenset(("limit",)),
}
# In the order they must be written: the period before the quota, memory before memory and swap.
_FILES = (
    ("memory", "limit", "memory", "memory.limit_in_bytes"),
    ("memory", "reservation", "memory", "memory.soft_limit_in_bytes"),
    ("memory", "swappiness", "memory", "memory.swappiness"),
    ("cpu", "shares", "cpu", "cpu.shares"),
    ("cpu", "period", "cpu", "cpu.cfs_period_us"),
    ("cpu", "quota", "cpu", "cpu.cfs_quota_us"),
    ("cpu", "cpus", "cpuset", "cpuset.cpus"),
    ("cpu", "mems", "cpuset", "cpuset.mems"),
)


class CgroupV1(Cgroup):
    """The container's folders, one in each v1 hierarchy, at the same path."""

    version = "v1"

    def __init__(self, hierarchies: Sequence[Hierarchy], path: str) -> None:
        self._folder = {name: h.mountpoint + path for h in hierarchies for name in h.controllers}
        super().__init__(tuple(dict.fromkeys(self._folder.values())))

    @property
    def oom_counter(self) -> str:
        """memory.oom_control has the line since Linux 4.13."""
        folder = self._folder.get("memory")
        return os.path.join(folder, "memory.oom_control") if folder else ""

    def create(self, resources: dict[str, Any]) -> None:
        """Make the folders and write the limits into them."""
        base.refuse_unknown(resources, _KNOWN)
        cpuset = self._folder.get("cpuset")
        for path in self.paths:
            base.make(path, self._made, _inherit_cpuset if path == cpuset else None)
        for group, name, controller, file in _FILES:
            value = (resources.get(group) or {}).get(name)
            if value not in (None, 0, ""):
                self._limit(controller, file, str(value), f"{group}.{name}")
        self._limit_swap(resources.get("memory") or {})
        self._limit_pids(resources.get("pids") or {})
        self._fence_devices(resources.get("devices") or [])

    def _limit(self, controller: str, file: str, value: str, word: str) -> None:
        folder = self._folder.get(controller)
        if folder is None:
            raise unavailable(controller, word, f"cgroup controller {controller} is not mounted")
        limit(os.path.join(folder, file), value, controller, word)

    def _limit_swap(self, memory: dict[str, Any]) -> None:
        if memory.get("disableOOMKiller"):
            self._limit("memory", "memory.oom_control", "1", "memory.disableOOMKiller")
        swap = memory.get("swap")
        if not swap:
            return
        file = "memory.memsw.limit_in_bytes"
        counted = os.path.exists(os.path.join(self._folder.get("memory", ""), file))
        # Without swap accounting and without swap, memory.limit already says it all.
        if counted or base.has_swap():
            self._limit("memory", file, str(swap), "memory.swap")

    def _limit_pids(self, pids: dict[str, Any]) -> None:
        number = pids.get("limit")
        if number:
            self._limit("pids", "pids.max", base.word_for(number), "pids.limit")

    def _fence_devices(self, rules: list[dict[str, Any]]) -> None:
        for rule in rules:
            file = "devices.allow" if rule["allow"] else "devices.deny"
            self._limit("devices", file, _device_line(rule), "devices")

    def join(self) -> None:
        """Move this process, which must have one thread, into every folder."""
        # cgroup.procs would wait for every CPU to pass (12 ms); a lone thread moving itself by
        # ``tasks`` does not: cgroup_procs_write_start() in kernel/cgroup/cgroup.c.
        for path in self.paths:
            base.write(os.path.join(path, "tasks"), "0")

    @classmethod
    def of_paths(cls, paths: Sequence[str]) -> CgroupV1:
        """Return the group that a task's state names."""
        group = cls((), "/")
        group.paths = tuple(paths)
        return group

    def kill(self) -> None:
        """Thaw, then kill until nothing is left."""
        self.thaw()
        super().kill()

    def thaw(self) -> None:
        """Wake a frozen group."""
        for path in self.paths:
            _thaw(path)


def _inherit_cpuset(path: str) -> None:
    """Give a new cpuset what its parent has: empty, nothing can join it (cpusets.rst).

    The parent may be empty too, while another creator is making it or after one was killed.
    """
    parent = os.path.dirname(path)
    for file in ("cpuset.cpus", "cpuset.mems"):
        if base.read(os.path.join(path, file)):
            continue
        value = base.read(os.path.join(parent, file))
        if not value:
            _inherit_cpuset(parent)
            value = base.read(os.path.join(parent, file))
        base.write(os.path.join(path, file), value)


def _device_line(rule: dict[str, Any]) -> str:
    kind = rule.get("type") or "a"
    numbers = [rule.get(name) for name in ("major", "minor")]
    major, minor = ["*" if number in (None, -1) else str(number) for number in numbers]
    access = rule.get("access") or "rwm"
    if kind == "a" and (major, minor, access) == ("*", "*", "rwm"):
        return "a"
    return f"{kind} {major}:{minor} {access}"


def _thaw(folder: str) -> None:
    """A frozen task does not even die of SIGKILL until it is thawed (freezer-subsystem.rst)."""
    file = os.path.join(folder, "freezer.state")
    if os.path.exists(file) and base.read(file) != "THAWED":
        base.write(file, "THAWED")
