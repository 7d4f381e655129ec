"""``events``: what a container uses, a JSON object a line, as runc prints it."""

from __future__ import annotations

import select

from plugrun.api import Conflict, UsageError, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.api import Isolation

    from plugrun_isolation_ns.oci.commandline import Line

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def follow_usage(isolation: Isolation, line: Line) -> int:
    """Print the figures once with --stats, else at every interval until the container ends."""
    id = line.arguments[0]
    print(dumps(_event(isolation, id)), flush=True)
    if line.has("stats"):
        return 0
    interval = _seconds(line.value("interval", "5s"))
    while True:
        select.select([], [], [], interval)
        try:
            print(dumps(_event(isolation, id)), flush=True)
        except Conflict:
            return 0


def _seconds(text: str) -> float:
    for unit, factor in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit() and float(number) > 0:
            return float(number) * factor
    raise UsageError(f"--interval {text}: a duration such as 500ms, 5s or 1m is wanted")


def _event(isolation: Isolation, id: str) -> dict[str, Any]:
    used = isolation.stats(id)
    return {
        "type": "stats",
        "id": id,
        "data": {
            "cpu": {
                "usage": {
                    "total": used.cpu_ns,
                    "kernel": used.cpu_system_ns,
                    "user": used.cpu_user_ns,
                },
            },
            "memory": {
                "cache": used.memory_cache,
                "usage": {
                    "limit": used.memory_limit,
                    "usage": used.memory + used.memory_cache,
                    "max": used.memory_peak,
                },
            },
            "pids": {"current": used.pids, "limit": used.pids_limit},
            "blkio": {
                "ioServiceBytesRecursive": [
                    {"op": "Read", "value": used.read_bytes},
                    {"op": "Write", "value": used.write_bytes},
                ]
            },
        },
    }
