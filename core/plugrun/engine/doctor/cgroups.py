"""Control groups: their version, their controllers, and whether they are this user's."""

from __future__ import annotations

import os

from plugrun.cgroups.cgroupfs import hierarchies
from plugrun.engine.doctor.checks import MISSING, NOTE, OK, Check, read_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plugrun.cgroups.cgroupfs import Hierarchy

AREA = "control groups"
_NEEDED = ("cpu", "memory", "pids")
_WELCOME = {
    "cpuset": "--cpuset-cpus, --cpuset-mems",
    "io": "--blkio-weight, --device-read-bps and their like",
    "hugetlb": "limits of huge pages",
}
_OLD_NAMES = {"blkio": "io"}
_PURPOSE = "limits, pause, stats"
_DELEGATE = "systemctl edit user@.service, with [Service] Delegate=cpu cpuset io memory pids"


def check_cgroups(trees: Sequence[Hierarchy] | None = None) -> Iterator[Check]:
    """Look at the hierarchies that are mounted here: cgroups(7)."""
    trees = hierarchies() if trees is None else trees
    if not trees:
        remedy = "mount -t cgroup2 none /sys/fs/cgroup"
        yield Check(AREA, "version", MISSING, "none is mounted", _PURPOSE, remedy)
        return
    kinds = sorted({"v2" if tree.unified else "v1" for tree in trees})
    yield Check(AREA, "version", OK, " and ".join(kinds), _PURPOSE)
    held = controllers(trees)
    for name in (*_NEEDED, *_WELCOME):
        yield _controller(name, held.get(name))
    unified = next((tree for tree in trees if tree.unified), None)
    if unified is not None and os.geteuid() != 0:
        yield _delegation(unified)


def controllers(trees: Sequence[Hierarchy]) -> dict[str, Hierarchy]:
    """Return the controllers that there are, by their names in v2, with their hierarchies."""
    return {name: tree for tree in reversed(trees) for name in _controllers(tree)}


def _controllers(tree: Hierarchy) -> tuple[str, ...]:
    if tree.unified:
        return tuple(read_first(f"{tree.mountpoint}/cgroup.controllers").split())
    return tuple(_OLD_NAMES.get(name, name) for name in tree.controllers)


def _controller(name: str, tree: Hierarchy | None) -> Check:
    purpose = _WELCOME.get(name, f"limits of {name}")
    if tree is not None:
        found = f"{'v2' if tree.unified else 'v1'}, {tree.mountpoint}"
        return Check(AREA, name, OK, found, purpose)
    state = MISSING if name in _NEEDED else NOTE
    remedy = f"start Linux with cgroup_enable={name}, if it was built with that controller"
    return Check(AREA, name, state, "no hierarchy has it", purpose, remedy)


def _delegation(tree: Hierarchy) -> Check:
    """Say whether an ordinary user may make groups beneath the one it is in."""
    folder = f"{tree.mountpoint}{_own_group()}".rstrip("/")
    given = read_first(f"{folder}/cgroup.controllers")
    if given and os.access(f"{folder}/cgroup.procs", os.W_OK):
        return Check(AREA, "delegation", OK, f"{folder}: {given}", "limits without root")
    found = f"{folder} is not this user's"
    return Check(AREA, "delegation", NOTE, found, "limits without root", _DELEGATE)


def _own_group() -> str:
    """Return this process's group in v2."""
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    return next((path for number, _, path in lines if number == "0"), "")
