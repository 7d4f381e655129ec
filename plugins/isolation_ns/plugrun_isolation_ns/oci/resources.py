"""The limits that ``update`` is to change: ``linux.resources`` of the spec."""

from __future__ import annotations

from plugrun.api import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun_isolation_ns.oci.commandline import Line

_NUMBERS = {
    "blkio-weight": ("blockIO", "weight"),
    "cpu-period": ("cpu", "period"),
    "cpu-quota": ("cpu", "quota"),
    "cpu-share": ("cpu", "shares"),
    "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"),
    "memory-swap": ("memory", "swap"),
    "pids-limit": ("pids", "limit"),
}
_TEXTS = {"cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems")}


def wanted_resources(line: Line) -> Any:
    """Return what a document (``--resources``) and the options name, the latter counting more."""
    from plugrun_isolation_ns.oci.verbs import read_document

    found = read_document(line.value("resources")) if line.value("resources") else {}
    # An engine sends a whole document: what it leaves at nothing is to stay.
    wanted = {room: dict(held) for room, held in found.items() if held and isinstance(held, dict)}
    for option, (room, name) in {**_NUMBERS, **_TEXTS}.items():
        text = line.value(option)
        if text:
            value = _number(option, text) if option in _NUMBERS else text
            wanted.setdefault(room, {})[name] = value
    if not wanted:
        raise UsageError("update: nothing to change", hint="name a limit, or --resources FILE")
    return wanted


def _number(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--{option}: not a number: {text!r}") from None
