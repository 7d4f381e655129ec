"""Resource limits that Docker's daemon refuses, in its words and its order.

Source: Docker's messages, measured; kernel doc admin-guide/cgroup-v1/cpusets.rst for the lists.
"""

from __future__ import annotations

import os

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.fence import Limits

_LEAST_MEMORY = 6 << 20
_LARGEST_ID = 8191
_ONLINE_CPUS = "/sys/devices/system/cpu/online"
_ONLINE_NODES = "/sys/devices/system/node/online"


def check_limits(limits: Limits) -> None:
    """Raise InvalidArgument for limits that cannot be, or do not go together."""
    _check_memory(limits)
    _check_cpu(limits)
    _check_set(limits.cpuset_cpus, "cpuset cpus", "CPUs", _ONLINE_CPUS)
    _check_set(limits.cpuset_mems, "cpuset mems", "memory nodes", _ONLINE_NODES)
    if limits.blkio_weight and not 10 <= limits.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")


def _check_memory(limits: Limits) -> None:
    memory, swap, soft = limits.memory, limits.memory_swap, limits.memory_reservation
    if 0 < memory < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidArgument(
            "Minimum memoryswap limit should be larger than memory limit, see usage"
        )
    if memory == 0 and swap > 0:
        raise InvalidArgument(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    if 0 < soft < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < memory < soft:
        raise InvalidArgument(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_cpu(limits: Limits) -> None:
    if limits.nano_cpus:
        for value, name in ((limits.cpu_period, "Period"), (limits.cpu_quota, "Quota")):
            if value > 0:
                raise InvalidArgument(
                    f"Conflicting options: Nano CPUs and CPU {name} cannot both be set"
                )
        available = os.cpu_count() or 1
        if not 10**7 <= limits.nano_cpus <= available * 10**9:
            raise InvalidArgument(
                f"Range of CPUs is from 0.01 to {available}.00, "
                f"as there are only {available} CPUs available"
            )
    if limits.cpu_shares < 0:
        raise InvalidArgument("shares: invalid argument")
    if limits.cpu_period and not 1000 <= limits.cpu_period <= 1_000_000:
        raise InvalidArgument(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < limits.cpu_quota < 1000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_set(text: str, what: str, things: str, online: str) -> None:
    if not text:
        return
    wanted = _numbers(text)
    if wanted is None:
        raise InvalidArgument(f"Invalid value {text} for {what}: invalid format: {text}")
    with open(online, encoding="ascii") as file:
        available = file.read().strip()
    if not wanted <= (_numbers(available) or set()):
        raise InvalidArgument(
            f"Requested {things} are not available - requested {text}, available: {available}"
        )


def _numbers(text: str) -> set[int] | None:
    """Return the numbers of a list like ``0-2,7``; None if it is none."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        bounds = (first, last) if dash else (first, first)
        if not all(b.isascii() and b.isdigit() and len(b) < 5 for b in bounds):
            return None
        low, high = int(bounds[0]), int(bounds[1])
        if high < low or high > _LARGEST_ID:
            return None
        found.update(range(low, high + 1))
    return found
