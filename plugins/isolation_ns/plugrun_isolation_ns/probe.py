"""Whether containers can be made on this machine, and what a bug report wants to know."""

from __future__ import annotations

import ctypes
import errno
import os

from plugrun.api import BackendUnavailable, Probe, libc

from plugrun_isolation_ns import arch
from plugrun_isolation_ns.capabilities import SYS_ADMIN
from plugrun_isolation_ns.cgroups import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun_isolation_ns.cgroups import Hierarchy

_CALLS = (
    ("openat2", "5.6", libc.SYS_OPENAT2),
    ("close_range", "5.9", libc.SYS_CLOSE_RANGE),
    ("mount_setattr", "5.12", libc.SYS_MOUNT_SETATTR),
)


def probe(found: Sequence[Hierarchy], wanted: str) -> Probe:
    """Look for what the backend needs; nothing is made."""
    details = [("kernel", os.uname().release), ("machine", os.uname().machine)]
    try:
        arch.machine()
        version = choose(found, wanted)
    except BackendUnavailable as error:
        return Probe(False, error.message, error.hint, tuple(details))
    details.append(("cgroup", version))
    reason, remedy = _lack()
    return Probe(not reason, reason, remedy, tuple(details))


def _lack() -> tuple[str, str]:
    if not _effective() & SYS_ADMIN:
        return "making namespaces needs CAP_SYS_ADMIN", "run plugrun as root"
    for name, since, number in _CALLS:
        # Senseless arguments: only a kernel without the call answers ENOSYS.
        wrong = [ctypes.c_long(-1)] * 5
        libc.LIBC.syscall(ctypes.c_long(number), *wrong)
        if ctypes.get_errno() == errno.ENOSYS:
            return f"the kernel has no {name}(2)", f"use Linux {since} or later"
    return "", ""


def _effective() -> int:
    with open("/proc/self/status", "rb") as stream:
        for line in stream:
            if line.startswith(b"CapEff:"):
                return int(line.split()[1], 16)
    return 0
