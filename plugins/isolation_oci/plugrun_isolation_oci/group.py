"""The control group of a container: the runtime makes it, where the spec says.

Nothing in an OCI runtime's command line tells where it is, or what is in it; but it is the
caller who names it (``linux.cgroupsPath``), and the kernel has one place for it in each hierarchy.
"""

from __future__ import annotations

import os

from plugrun.api import (
    BackendUnavailable,
    IsolationError,
    cgroupfs,
    hierarchies,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun.api import Hierarchy, Stats

# Where a runtime looks for the one hierarchy of cgroup v2.
_UNIFIED = "/sys/fs/cgroup"
_CPUSET = ("cpus", "mems")


class Group:
    """One group by its path; it need not be there."""

    def __init__(self, path: str) -> None:
        found = hierarchies()
        self.unified = is_unified(found)
        kept = [h for h in found if h.unified == self.unified]
        self._folders = {name: h.mountpoint + path for h in kept for name in h.controllers}
        # A runtime may use the other kind of a hybrid tree, too.
        self.paths = tuple(dict.fromkeys(h.mountpoint + path for h in found))
        self._folder = f"{_UNIFIED}{path}" if self.unified else ""

    def refuse_existing(self) -> None:
        """Raise IsolationError if any of the folders is there already: it is another's."""
        for path in self.paths:
            if os.path.isdir(path):
                raise IsolationError(
                    f"cgroup {path} exists already",
                    hint="another container or service owns it; give this one another cgroupsPath",
                )

    @property
    def oom_counter(self) -> str:
        """The file with the line ``oom_kill N``, or nothing."""
        return self._file("memory", "memory.events", "memory.oom_control")

    @property
    def freezer(self) -> str:
        """The file that says THAWED or 0 unless the group is frozen, or nothing."""
        return self._file("freezer", "cgroup.freeze", "freezer.state")

    def _file(self, controller: str, unified: str, other: str) -> str:
        folder = self._folder or self._folders.get(controller, "")
        path = f"{folder}/{unified if self.unified else other}"
        return path if folder and os.path.exists(path) else ""

    @property
    def frozen(self) -> bool:
        """Whether it is frozen, or about to be."""
        try:
            with open(self.freezer, "rb", 0) as stream:
                return stream.read(16).strip() not in (b"THAWED", b"0")
        except OSError:
            return False  # there is none, or (ENODEV) the group has just gone

    def thaw(self) -> None:
        """Wake a frozen group: of v1 a frozen task does not even die."""
        if self.frozen:
            with open(self.freezer, "wb", 0) as stream:
                stream.write(b"0" if self.unified else b"THAWED")

    def processes(self) -> tuple[int, ...]:
        """Return the PIDs in it, in order."""
        return tuple(sorted(cgroupfs.processes(self.paths)))

    def destroy(self) -> None:
        """Kill what is left in it and remove it; what is gone is no error."""
        cgroupfs.remove(self.paths, lambda: cgroupfs.kill(self.paths, self.thaw))

    def stats(self) -> Stats:
        """Return what it uses."""
        from plugrun.api import stats_v1, stats_v2

        return stats_v2(self._folder) if self.unified else stats_v1(self._folders)


def is_unified(found: Sequence[Hierarchy]) -> bool:
    """Whether a runtime takes this machine for one of cgroup v2."""
    return any(h.unified and h.mountpoint == _UNIFIED for h in found)


def controllers(found: Sequence[Hierarchy]) -> frozenset[str]:
    """Return the controllers that a runtime can use here."""
    if not is_unified(found):
        return frozenset(name for h in found if not h.unified for name in h.controllers)
    try:
        with open(f"{_UNIFIED}/cgroup.controllers", encoding="ascii") as stream:
            # Without files of its own: devices are fenced by BPF, and every group can be frozen.
            return frozenset((*stream.read().split(), "devices", "freezer"))
    except OSError:
        return frozenset()


def refuse_impossible(resources: dict[str, Any]) -> None:
    """Raise BackendUnavailable for a limit that a runtime would leave out here without a word."""
    have = controllers(hierarchies())
    for key, needed in _needed(resources):
        if not have.intersection(needed):
            raise BackendUnavailable(
                f"the limit {key} cannot be applied: no cgroup controller {needed[0]} here",
                hint=f"mount it, or leave {key} out",
            )
    for page in resources.get("hugepageLimits") or []:
        size = page.get("pageSize", "")
        if not os.path.isdir(f"/sys/kernel/mm/hugepages/hugepages-{_kilobytes(size)}kB"):
            raise BackendUnavailable(
                f"the limit hugepageLimits cannot be applied: this machine has no pages of {size}",
                hint="see /sys/kernel/mm/hugepages",
            )


def _needed(resources: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    cpu = {name for name, value in (resources.get("cpu") or {}).items() if value}
    wanted = (
        ("memory", bool(resources.get("memory")), ("memory",)),
        ("cpu", bool(cpu.difference(_CPUSET)), ("cpu",)),
        ("cpuset", bool(cpu.intersection(_CPUSET)), ("cpuset",)),
        ("pids", bool((resources.get("pids") or {}).get("limit")), ("pids",)),
        ("blockIO", bool(resources.get("blockIO")), ("io", "blkio")),
        ("hugepageLimits", bool(resources.get("hugepageLimits")), ("hugetlb",)),
        ("rdma", bool(resources.get("rdma")), ("rdma",)),
        ("network", bool(resources.get("network")), ("net_cls", "net_prio")),
    )
    return [(key, needed) for key, asked, needed in wanted if asked]


def _kilobytes(size: str) -> int:
    number = size.rstrip("KMGB")
    unit = {"KB": 1, "MB": 1024, "GB": 1024 * 1024}.get(size[len(number) :], 0)
    return int(number) * unit if number.isdigit() else 0
