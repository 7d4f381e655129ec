"""Resource limits as the runtime spec writes them (config-linux.md, Control groups)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.fence import Limits
    from plugrun.model.spec import BlockIO, Cpu, Memory, Resources

CPU_PERIOD_US = 100_000
_BILLION = 10**9


def limited(limits: Limits) -> Resources:
    """Return ``linux.resources`` of a container's limits, without its devices."""
    found: Resources = {}
    memory, cpu = _memory(limits), _cpu(limits)
    if memory:
        found["memory"] = memory
    if cpu:
        found["cpu"] = cpu
    if limits.pids > 0:
        found["pids"] = {"limit": limits.pids}
    if limits.blkio_weight:
        weight: BlockIO = {"weight": limits.blkio_weight}
        found["blockIO"] = weight
    return found


def whole_swap(limits: Limits) -> int:
    """Return the limit of memory and swap together: as much again as memory if none is said."""
    return limits.memory_swap or limits.memory * 2


def _memory(limits: Limits) -> Memory:
    memory: Memory = {}
    if limits.memory:
        memory["limit"] = limits.memory
        memory["swap"] = whole_swap(limits)
    if limits.memory_reservation:
        memory["reservation"] = limits.memory_reservation
    if limits.swappiness >= 0:
        memory["swappiness"] = limits.swappiness
    if limits.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def _cpu(limits: Limits) -> Cpu:
    cpu: Cpu = {}
    if limits.nano_cpus:
        cpu["quota"] = max(1000, limits.nano_cpus * CPU_PERIOD_US // _BILLION)
        cpu["period"] = CPU_PERIOD_US
    if limits.cpu_quota:
        cpu["quota"] = limits.cpu_quota
    if limits.cpu_period:
        cpu["period"] = limits.cpu_period
    if limits.cpu_shares:
        # The kernel's least (kernel doc scheduler/sched-design-CFS.rst).
        cpu["shares"] = max(2, limits.cpu_shares)
    if limits.cpuset_cpus:
        cpu["cpus"] = limits.cpuset_cpus
    if limits.cpuset_mems:
        cpu["mems"] = limits.cpuset_mems
    return cpu
