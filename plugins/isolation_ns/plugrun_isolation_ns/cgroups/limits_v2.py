"""The spec's limits as cgroup v2 takes them (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import os

from plugrun_isolation_ns.cgroups.limits import BLOCK_IO, THROTTLES, Limit, read, word_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

KNOWN = {
    "devices": frozenset[str](),
    "unified": frozenset[str](),
    "memory": frozenset(("limit", "reservation", "swap")),
    "cpu": frozenset(("shares", "quota", "period", "burst", "idle", "cpus", "mems")),
    "pids": frozenset(("limit",)),
    "blockIO": BLOCK_IO,
    "hugepageLimits": frozenset[str](),
}
SWAP_FILE = "memory.swap.max"
_PERIOD_US = 100000


def limits(resources: dict[str, Any], folder: str) -> Iterator[Limit]:
    """Yield what is to be written; ``folder`` has what is not said and stays as it is."""
    yield from _memory(resources.get("memory") or {}, folder)
    yield from _cpu(resources.get("cpu") or {}, folder)
    pids = (resources.get("pids") or {}).get("limit")
    if pids:
        yield Limit("pids", "pids.max", word_for(pids), "pids.limit")
    if resources.get("blockIO"):
        yield from _block(resources["blockIO"], folder)
    for huge in resources.get("hugepageLimits") or ():
        for what in ("max", "rsvd.max"):
            file = f"hugetlb.{huge['pageSize']}.{what}"
            yield Limit("hugetlb", file, str(huge["limit"]), "hugepageLimits")
    for file, value in (resources.get("unified") or {}).items():
        yield Limit(file.partition(".")[0], os.path.basename(file), value, f"unified {file}")


def _memory(memory: dict[str, Any], folder: str) -> Iterator[Limit]:
    total, swap = memory.get("limit"), memory.get("swap")
    if total:
        yield Limit("memory", "memory.max", word_for(total), "memory.limit")
    if memory.get("reservation"):
        value = word_for(memory["reservation"])
        yield Limit("memory", "memory.low", value, "memory.reservation")
    if swap:
        # The spec counts memory and swap together, v2 counts swap alone.
        alone = swap if swap < 0 else max(swap - (total or _present(folder)), 0)
        yield Limit("memory", SWAP_FILE, word_for(alone), "memory.swap")


def _present(folder: str) -> int:
    try:
        text = read(os.path.join(folder, "memory.max"))
    except OSError:
        return 0
    return 0 if text == "max" else int(text)


def _cpu(cpu: dict[str, Any], folder: str) -> Iterator[Limit]:
    shares = cpu.get("shares")
    if shares:
        # 2..262144 onto 1..10000, as the runtime spec's implementations agree on.
        weight = 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142
        yield Limit("cpu", "cpu.weight", str(weight), "cpu.shares")
    quota, period = cpu.get("quota"), cpu.get("period")
    if quota or period:
        value = _bandwidth(quota, period, folder)
        yield Limit("cpu", "cpu.max", value, "cpu.quota")
    for name, file in (("burst", "cpu.max.burst"), ("idle", "cpu.idle")):
        if cpu.get(name):
            yield Limit("cpu", file, str(cpu[name]), f"cpu.{name}")
    for name in ("cpus", "mems"):
        if cpu.get(name):
            yield Limit("cpuset", f"cpuset.{name}", cpu[name], f"cpu.{name}")


def _bandwidth(quota: int | None, period: int | None, folder: str) -> str:
    try:
        had_quota, had_period = read(os.path.join(folder, "cpu.max")).split()
    except OSError:
        had_quota, had_period = "max", str(_PERIOD_US)
    return f"{word_for(quota) if quota else had_quota} {period or had_period}"


def _block(block: dict[str, Any], folder: str) -> Iterator[Limit]:
    # bfq has a file of its own, whose range is the spec's own, 1 to 1000.
    bfq = os.path.exists(os.path.join(folder, "io.bfq.weight"))
    file = "io.bfq.weight" if bfq else "io.weight"
    if block.get("weight"):
        value = f"default {_weight(block['weight'], bfq=bfq)}"
        yield Limit("io", file, value, "blockIO.weight")
    for device in block.get("weightDevice") or ():
        value = f"{device['major']}:{device['minor']} {_weight(device['weight'], bfq=bfq)}"
        yield Limit("io", file, value, "blockIO.weightDevice")
    for name, _, key in THROTTLES:
        for device in block.get(name) or ():
            value = f"{device['major']}:{device['minor']} {key}={device['rate']}"
            yield Limit("io", "io.max", value, f"blockIO.{name}")


def _weight(weight: int, *, bfq: bool) -> int:
    """10..1000 onto io.weight's 1..10000, as the runtime spec's implementations agree on."""
    return weight if bfq else 1 + (weight - 10) * 9999 // 990
