"""What a group uses, from the kernel's own count."""

from __future__ import annotations

import os

from plugrun.interfaces.isolation import Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def stats_v1(folders: Mapping[str, str]) -> Stats:
    """Return what the folders of one container say, by controller."""
    memory, cpu = folders.get("memory", ""), folders.get("cpuacct", "")
    pids, block = folders.get("pids", ""), folders.get("blkio", "")
    charged = _number(f"{memory}/memory.usage_in_bytes")
    kept = _table(f"{memory}/memory.stat")
    cache = kept.get("total_inactive_file", kept.get("inactive_file", 0))
    times = _table(f"{cpu}/cpuacct.stat")
    tick = 10**9 // os.sysconf("SC_CLK_TCK")
    read, written = _block_v1(block)
    return Stats(
        memory=charged - cache if cache < charged else charged,
        memory_limit=_memory_limit(f"{memory}/memory.limit_in_bytes"),
        memory_cache=cache,
        memory_peak=_number(f"{memory}/memory.max_usage_in_bytes"),
        cpu_ns=_number(f"{cpu}/cpuacct.usage"),
        cpu_user_ns=times.get("user", 0) * tick,
        cpu_system_ns=times.get("system", 0) * tick,
        cpus=_cpus(),
        pids=_number(f"{pids}/pids.current"),
        pids_limit=_number(f"{pids}/pids.max"),
        read_bytes=read,
        write_bytes=written,
    )


def stats_v2(folder: str) -> Stats:
    """Return what the one folder of a container says."""
    charged = _number(f"{folder}/memory.current")
    cache = _table(f"{folder}/memory.stat").get("inactive_file", 0)
    times = _table(f"{folder}/cpu.stat")
    read, written = _block_v2(folder)
    return Stats(
        memory=charged - cache if cache < charged else charged,
        memory_limit=_memory_limit(f"{folder}/memory.max"),
        memory_cache=cache,
        memory_peak=_number(f"{folder}/memory.peak"),
        cpu_ns=times.get("usage_usec", 0) * 1000,
        cpu_user_ns=times.get("user_usec", 0) * 1000,
        cpu_system_ns=times.get("system_usec", 0) * 1000,
        cpus=_cpus(),
        pids=_number(f"{folder}/pids.current"),
        pids_limit=_number(f"{folder}/pids.max"),
        read_bytes=read,
        write_bytes=written,
    )


def _cpus() -> int:
    return os.sysconf("SC_NPROCESSORS_ONLN")


def _memory_limit(path: str) -> int:
    machine = _table("/proc/meminfo").get("MemTotal:", 0) * 1024
    limit = _number(path)
    return limit if 0 < limit < machine else machine


def _block_v1(folder: str) -> tuple[int, int]:
    """Lines ``major:minor Read bytes``; bfq's file is there if that scheduler is in use."""
    for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.io_service_bytes_recursive"):
        lines = [line.split() for line in _lines(f"{folder}/{name}")]
        found = [line for line in lines if len(line) == 3]
        if found:
            return _sum(found, "Read"), _sum(found, "Write")
    return 0, 0


def _sum(lines: list[list[str]], act: str) -> int:
    return sum(int(number) for _, name, number in lines if name == act)


def _block_v2(folder: str) -> tuple[int, int]:
    """Lines ``major:minor rbytes=… wbytes=… rios=…``."""
    totals = {"rbytes": 0, "wbytes": 0}
    for line in _lines(f"{folder}/io.stat"):
        for item in line.split()[1:]:
            name, _, number = item.partition("=")
            if name in totals:
                totals[name] += int(number)
    return totals["rbytes"], totals["wbytes"]


def _lines(path: str) -> list[str]:
    """Return a file's lines; none if the controller is not here, or the group is gone."""
    try:
        with open(path, "rb", 0) as stream:
            return stream.read().decode().splitlines()
    except OSError:
        return []


def _number(path: str) -> int:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdigit() else 0


def _table(path: str) -> dict[str, int]:
    """Return lines of a name and a number."""
    rows = [line.split() for line in _lines(path)]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
