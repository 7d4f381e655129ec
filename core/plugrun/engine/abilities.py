"""Which limits this machine can set: what Docker's ``info`` tells of its kernel."""

from __future__ import annotations

import glob
import os

from plugrun.cgroups.cgroupfs import hierarchies
from plugrun.engine.doctor.cgroups import controllers
from plugrun.engine.doctor.checks import read_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.cgroups.cgroupfs import Hierarchy

_HIDDEN = "xxxxx:xxxxx"
_PROXIES = (("HttpProxy", "http_proxy"), ("HttpsProxy", "https_proxy"), ("NoProxy", "no_proxy"))


def abilities() -> dict[str, Any]:
    """Return Docker's fields of ``info`` about limits, forwarding and proxies."""
    held = controllers(hierarchies())
    memory = held.get("memory")
    return {
        "MemoryLimit": memory is not None,
        "SwapLimit": memory is not None and _limits_swap(memory),
        "CpuCfsPeriod": "cpu" in held,
        "CpuCfsQuota": "cpu" in held,
        "CPUShares": "cpu" in held,
        "CPUSet": "cpuset" in held,
        "PidsLimit": "pids" in held,
        "OomKillDisable": memory is not None and not memory.unified,
        "IPv4Forwarding": read_first("/proc/sys/net/ipv4/ip_forward") == "1",
        **{key: _proxy(name) for key, name in _PROXIES},
    }


def _proxy(name: str) -> str:
    """Return a proxy of the environment, without the account that may be in its address."""
    text = os.environ.get(name.upper()) or os.environ.get(name, "")
    scheme, mark, rest = text.rpartition("://")
    account, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{_HIDDEN}@{host}" if at and account else text


def _limits_swap(memory: Hierarchy) -> bool:
    """Whether swap is accounted: a root group of v2 has no such file, those beneath it have."""
    name = "*/memory.swap.max" if memory.unified else "memory.memsw.limit_in_bytes"
    return bool(glob.glob(f"{glob.escape(memory.mountpoint)}/{name}"))
