"""The spec's limits as cgroup v1 takes them (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from plugrun_isolation_ns.cgroups.limits import BLOCK_IO, THROTTLES, Limit, word_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

KNOWN = {
    "devices": frozenset[str](),
    "memory": frozenset(("limit", "reservation", "swap", "swappiness", "disableOOMKiller")),
    "cpu": frozenset(
        (
            *("shares", "quota", "period", "burst", "idle", "cpus", "mems"),
            *("realtimePeriod", "realtimeRuntime"),
        )
    ),
    "pids": frozenset(("limit",)),
    "blockIO": BLOCK_IO,
    "hugepageLimits": frozenset[str](),
}
MEMORY_FILE = "memory.limit_in_bytes"
SWAP_FILE = "memory.memsw.limit_in_bytes"
WEIGHT_FILE = "blkio.weight"
# In the order they must be written: the period before the quota, memory before memory and swap.
_FILES = (
    ("memory", "limit", "memory", MEMORY_FILE),
    ("memory", "reservation", "memory", "memory.soft_limit_in_bytes"),
    ("memory", "swap", "memory", SWAP_FILE),
    ("cpu", "shares", "cpu", "cpu.shares"),
    ("cpu", "period", "cpu", "cpu.cfs_period_us"),
    ("cpu", "quota", "cpu", "cpu.cfs_quota_us"),
    ("cpu", "burst", "cpu", "cpu.cfs_burst_us"),
    ("cpu", "idle", "cpu", "cpu.idle"),
    ("cpu", "realtimePeriod", "cpu", "cpu.rt_period_us"),
    ("cpu", "realtimeRuntime", "cpu", "cpu.rt_runtime_us"),
    ("cpu", "cpus", "cpuset", "cpuset.cpus"),
    ("cpu", "mems", "cpuset", "cpuset.mems"),
    ("blockIO", "weight", "blkio", WEIGHT_FILE),
)


def limits(resources: dict[str, Any]) -> Iterator[Limit]:
    """Yield what is to be written, in order; devices are no limit and not among it."""
    for group, name, controller, file in _FILES:
        value = (resources.get(group) or {}).get(name)
        if value not in (None, 0, ""):
            yield Limit(controller, file, str(value), f"{group}.{name}")
    yield from _memory(resources.get("memory") or {})
    number = (resources.get("pids") or {}).get("limit")
    if number:
        yield Limit("pids", "pids.max", word_for(number), "pids.limit")
    if resources.get("blockIO"):
        yield from _devices(resources["blockIO"])
    for huge in resources.get("hugepageLimits") or ():
        for what in ("limit_in_bytes", "rsvd.limit_in_bytes"):
            file = f"hugetlb.{huge['pageSize']}.{what}"
            yield Limit("hugetlb", file, str(huge["limit"]), "hugepageLimits")


def _memory(memory: dict[str, Any]) -> Iterator[Limit]:
    swappiness = memory.get("swappiness")
    if swappiness is not None and swappiness >= 0:
        yield Limit("memory", "memory.swappiness", str(swappiness), "memory.swappiness")
    if memory.get("disableOOMKiller"):
        yield Limit("memory", "memory.oom_control", "1", "memory.disableOOMKiller")


def _devices(block: dict[str, Any]) -> Iterator[Limit]:
    for device in block.get("weightDevice") or ():
        value = f"{device['major']}:{device['minor']} {device['weight']}"
        yield Limit("blkio", "blkio.weight_device", value, "blockIO.weightDevice")
    for name, file, _ in THROTTLES:
        for device in block.get(name) or ():
            value = f"{device['major']}:{device['minor']} {device['rate']}"
            yield Limit("blkio", file, value, f"blockIO.{name}")
