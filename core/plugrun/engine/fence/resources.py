"""Resource limits as the runtime spec writes them (config-linux.md, Control groups)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from plugrun.model.fence import Limits
    from plugrun.model.spec import BlockIO, Cpu, Memory, Resources, ThrottleDevice, WeightDevice

    Throttle = Literal[
        "throttleReadBpsDevice",
        "throttleWriteBpsDevice",
        "throttleReadIOPSDevice",
        "throttleWriteIOPSDevice",
    ]

CPU_PERIOD_US = 100_000
_BILLION = 10**9
_THROTTLES: dict[str, Throttle] = {
    "read_bps": "throttleReadBpsDevice",
    "write_bps": "throttleWriteBpsDevice",
    "read_iops": "throttleReadIOPSDevice",
    "write_iops": "throttleWriteIOPSDevice",
}


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
    block = _block_io(limits)
    if block:
        found["blockIO"] = block
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
    if limits.cpu_rt_period:
        cpu["realtimePeriod"] = limits.cpu_rt_period
    if limits.cpu_rt_runtime:
        cpu["realtimeRuntime"] = limits.cpu_rt_runtime
    if limits.cpuset_cpus:
        cpu["cpus"] = limits.cpuset_cpus
    if limits.cpuset_mems:
        cpu["mems"] = limits.cpuset_mems
    return cpu


def _block_io(limits: Limits) -> BlockIO:
    block: BlockIO = {}
    if limits.blkio_weight:
        block["weight"] = limits.blkio_weight
    if limits.device_rates:
        from plugrun.engine.fence.hostdevices import block_device

        for rate in limits.device_rates:
            major, minor = block_device(rate.path)
            if rate.kind == "weight":
                weight: WeightDevice = {"major": major, "minor": minor, "weight": rate.value}
                block.setdefault("weightDevice", []).append(weight)
            else:
                throttle: ThrottleDevice = {"major": major, "minor": minor, "rate": rate.value}
                block.setdefault(_THROTTLES[rate.kind], []).append(throttle)
    return block
