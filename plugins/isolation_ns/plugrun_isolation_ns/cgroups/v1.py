"""cgroup v1: a folder in every mounted hierarchy (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

import os
import time

from plugrun.api import Hierarchy, IsolationError, cgroupfs

from plugrun_isolation_ns.cgroups import base, limits, limits_v1
from plugrun_isolation_ns.cgroups.base import Cgroup
from plugrun_isolation_ns.cgroups.limits import Limit, unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.api import Stats

    from plugrun_isolation_ns.cgroups.v2 import CgroupV2

_FREEZE_ROUNDS = 500


class CgroupV1(Cgroup):
    """The container's folders, one in each v1 hierarchy, at the same path.

    ``beside`` is the v2 hierarchy of a hybrid tree, if the container needs a controller of it.
    """

    version = "v1"

    def __init__(
        self, hierarchies: Sequence[Hierarchy], path: str, beside: Hierarchy | None = None
    ) -> None:
        self._folder = {name: h.mountpoint + path for h in hierarchies for name in h.controllers}
        self._beside: CgroupV2 | None = None
        if beside:
            from plugrun_isolation_ns.cgroups.v2 import CgroupV2

            self._beside = CgroupV2(beside, path)
        more = self._beside.paths if self._beside else ()
        super().__init__((*dict.fromkeys(self._folder.values()), *more))

    @classmethod
    def of_facts(cls, facts: dict[str, Any]) -> CgroupV1:
        """Return the group that a task's state names."""
        group = cls((), "/")
        group._folder = dict(facts.get("folders") or {})
        if facts.get("beside"):
            from plugrun_isolation_ns.cgroups.v2 import CgroupV2

            group._beside = CgroupV2.of_facts(facts["beside"])
        group.paths = tuple(facts.get("paths") or ())
        group.found = tuple(facts.get("found") or ())
        return group

    def facts(self) -> dict[str, Any]:
        """Return what the task's state must remember."""
        beside = self._beside.facts() if self._beside else None
        return {**super().facts(), "folders": self._folder, "beside": beside}

    @property
    def oom_counter(self) -> str:
        """memory.oom_control has the line since Linux 4.13."""
        return self._file("memory", "memory.oom_control")

    @property
    def freezer(self) -> str:
        """freezer.state says THAWED, FREEZING or FROZEN."""
        return self._file("freezer", "freezer.state")

    def _file(self, controller: str, name: str) -> str:
        folder = self._folder.get(controller)
        return os.path.join(folder, name) if folder else ""

    def look(self) -> None:
        """Use empty folders; on v2 a device filter would stay behind in what is not removed."""
        own = frozenset(self._folder.values())
        self.found = tuple(path for path in self.paths if path in own and os.path.isdir(path))
        for path in self.paths:
            if path not in own and os.path.isdir(path):
                raise base.in_use(path)
        for path in self.found:
            if cgroupfs.read_pids(path) or next(os.walk(path))[1]:
                raise base.in_use(path)
        if os.path.dirname(self.freezer) in self.found and limits.read(self.freezer) != "THAWED":
            raise base.in_use(os.path.dirname(self.freezer))

    def create(self, resources: dict[str, Any]) -> None:
        """Make the folders and write the limits into them."""
        limits.refuse_unknown(resources, limits_v1.KNOWN)
        cpuset = self._folder.get("cpuset")
        if self._beside:
            self._beside.create({"hugepageLimits": resources["hugepageLimits"]}, self._made)
            resources = {**resources, "hugepageLimits": ()}
        for path in dict.fromkeys(self._folder.values()):
            if path not in self.found:
                base.make(path, self._made, _inherit_cpuset if path == cpuset else None)
            elif path == cpuset:
                _inherit_cpuset(path)
        for limit in limits_v1.limits(resources):
            path = self._place(limit)
            if path:
                limits.apply(path, limit)
        self._fence_devices(resources.get("devices") or [])

    def _place(self, limit: Limit) -> str:
        """Return the file a limit goes to, or nothing where it holds without being written."""
        word, controller = limit.word, limit.controller
        folder = self._folder.get(controller)
        if folder is None:
            why = f"cgroup controller {controller} is not mounted"
            if controller == "hugetlb":
                why += ", or the container was made without a limit on huge pages"
            raise unavailable(controller, word, why)
        path = os.path.join(folder, limit.file)
        if limits.is_beyond_kernel(path):
            return ""
        if limit.file == limits_v1.SWAP_FILE and not os.path.exists(path):
            # Without swap accounting and without swap, memory.limit already says it all.
            return path if limits.has_swap() else ""
        if limit.file == limits_v1.WEIGHT_FILE and not os.path.exists(path):
            # The weight is the scheduler's: bfq has it under a name of its own.
            return os.path.join(folder, "blkio.bfq.weight")
        return path

    def update(self, resources: dict[str, Any]) -> None:
        """Change limits: all that are named, or none."""
        limits.refuse_unknown(resources, limits_v1.KNOWN)
        beside: list[tuple[str, Limit]] = []
        if self._beside:
            beside = self._beside.placed({"hugepageLimits": resources.get("hugepageLimits")})
            resources = {**resources, "hugepageLimits": ()}
        placed = [(self._place(limit), limit) for limit in limits_v1.limits(resources)]
        ordered = self._in_order([(path, limit) for path, limit in placed if path])
        limits.apply_all([*beside, *ordered])

    def _in_order(self, placed: list[tuple[str, Limit]]) -> list[tuple[str, Limit]]:
        """Memory may never be above memory and swap, so what grows beyond that goes second."""
        swap = self._file("memory", limits_v1.SWAP_FILE)
        by_file = {limit.file: limit for _, limit in placed}
        memory = by_file.get(limits_v1.MEMORY_FILE)
        if memory is None or not os.path.exists(swap):
            return placed
        wanted = int(memory.value)
        if 0 <= wanted <= int(limits.read(swap)):
            return placed
        first = by_file.get(limits_v1.SWAP_FILE)
        if first is None and wanted < 0:
            first = Limit("memory", limits_v1.SWAP_FILE, "-1", "memory.swap")
        if first is None:
            return placed
        rest = [(path, limit) for path, limit in placed if limit is not first]
        return [(swap, first), *rest]

    def _fence_devices(self, rules: list[dict[str, Any]]) -> None:
        for rule in rules:
            file = "devices.allow" if rule["allow"] else "devices.deny"
            limit = Limit("devices", file, _device_line(rule), "devices")
            limits.apply(self._place(limit), limit)

    def doors(self, beside: int = 0) -> tuple[str, ...]:
        """Return the file ``tasks`` of every folder: see ``join``."""
        own = [os.path.join(path, "tasks") for path in dict.fromkeys(self._folder.values())]
        return (*own, *(self._beside.doors(beside) if self._beside else ()))

    def join(self) -> None:
        """Move this process, which must have one thread, into every folder."""
        # cgroup.procs would wait for every CPU to pass (12 ms); a lone thread moving itself by
        # ``tasks`` does not: cgroup_procs_write_start() in kernel/cgroup/cgroup.c.
        for path in self.doors():
            limits.write(path, "0")

    def freeze(self) -> None:
        """Stop every process; a group that cannot be stopped whole is woken again."""
        file = self.freezer
        if not file:
            raise unavailable("freezer", "pause", "cgroup controller freezer is not mounted")
        try:
            for attempt in range(_FREEZE_ROUNDS):
                # A fork under way makes the kernel miss one; to write it again looks for it
                # (freezer-subsystem.rst: "write FROZEN again").
                limits.write(file, "FROZEN")
                if limits.read(file) == "FROZEN":
                    return
                time.sleep(0.0005 * min(attempt + 1, 20))
        except BaseException:
            self.thaw()
            raise
        self.thaw()
        raise IsolationError(
            f"cgroup {os.path.dirname(file)} cannot be frozen",
            hint="a process that waits for a device cannot be stopped: see its state D in ps",
        )

    def thaw(self) -> None:
        """Wake a frozen group: a frozen task does not even die (freezer-subsystem.rst)."""
        file = self.freezer
        if file and os.path.exists(file) and limits.read(file) != "THAWED":
            limits.write(file, "THAWED")

    def stats(self) -> Stats:
        """Return what the group uses."""
        from plugrun.api import stats_v1

        return stats_v1(self._folder)


def _inherit_cpuset(path: str) -> None:
    """Give a new cpuset what its parent has: empty, nothing can join it (cpusets.rst).

    The parent may be empty too, while another creator is making it or after one was killed.
    """
    parent = os.path.dirname(path)
    for file in ("cpuset.cpus", "cpuset.mems"):
        if limits.read(os.path.join(path, file)):
            continue
        value = limits.read(os.path.join(parent, file))
        if not value:
            _inherit_cpuset(parent)
            value = limits.read(os.path.join(parent, file))
        limits.write(os.path.join(path, file), value)


def _device_line(rule: dict[str, Any]) -> str:
    kind = rule.get("type") or "a"
    numbers = [rule.get(name) for name in ("major", "minor")]
    major, minor = ["*" if number in (None, -1) else str(number) for number in numbers]
    access = rule.get("access") or "rwm"
    if kind == "a" and (major, minor, access) == ("*", "*", "rwm"):
        return "a"
    return f"{kind} {major}:{minor} {access}"
