"""Control groups: which kind this machine has, and the one group of a container."""

from __future__ import annotations

from plugrun.api import BackendUnavailable, Hierarchy, hierarchies

from plugrun_isolation_ns.cgroups.base import Cgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Cgroup", "Hierarchy", "choose", "hierarchies", "open_cgroup"]

_NEEDED = frozenset(("memory", "cpu", "pids"))


def choose(found: Sequence[Hierarchy], wanted: str) -> str:
    """Return ``v1`` or ``v2``: the profile's word, or what has the controllers (cgroups(7)).

    A hybrid tree has both; its controllers are where they are mounted, and mostly that is v1.
    """
    have_v1 = any(not h.unified and _NEEDED.intersection(h.controllers) for h in found)
    have_v2 = any(h.unified for h in found)
    if wanted == "auto":
        wanted = "v1" if have_v1 or not have_v2 else "v2"
    if not (have_v1 if wanted == "v1" else have_v2):
        raise BackendUnavailable(
            f"no cgroup {wanted} hierarchy is mounted", hint="mount cgroup2 on /sys/fs/cgroup"
        )
    return wanted


def open_cgroup(
    version: str, found: Sequence[Hierarchy], path: str, resources: Mapping[str, Any]
) -> Cgroup:
    """Return the group at ``path`` of every hierarchy of that version; nothing is made yet.

    In a hybrid tree a controller is in one hierarchy: where v1 has no hugetlb and ``resources``
    limit huge pages, a group of v2 stands beside those of v1.
    """
    unified = next((h for h in found if h.unified), None)
    if version == "v1":
        from plugrun_isolation_ns.cgroups.v1 import CgroupV1

        plain = [h for h in found if not h.unified]
        elsewhere = not any("hugetlb" in h.controllers for h in plain)
        needed = elsewhere and resources.get("hugepageLimits")
        return CgroupV1(plain, path, unified if needed else None)
    from plugrun_isolation_ns.cgroups.v2 import CgroupV2

    assert unified is not None
    return CgroupV2(unified, path)
