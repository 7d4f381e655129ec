"""Capabilities of a container by Docker's rule for ``--cap-add`` and ``--cap-drop``.

Loaded only for containers that ask for others than Docker's fourteen. Source of names and order:
include/uapi/linux/capability.h.
"""

from __future__ import annotations

from plugrun.engine.fence.spec import DEFAULT_CAPABILITIES
from plugrun.errors import InvalidArgument, IsolationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.model.fence import Security

_NAMES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
KNOWN = tuple(f"CAP_{name}" for name in _NAMES.split())
ALL = "ALL"


def named(texts: Sequence[str], what: str) -> tuple[str, ...]:
    """Return capabilities in the kernel's names, in ascending order; ``ALL`` stays.

    Raise InvalidArgument, in Docker's words, for one that is none.
    """
    found = set()
    for text in texts:
        name = text.upper()
        if name != ALL and not name.startswith("CAP_"):
            name = f"CAP_{name}"
        if name != ALL and name not in KNOWN:
            raise InvalidArgument(f'invalid {what}: unknown capability: "{name}"')
        found.add(name)
    return (ALL,) if ALL in found else tuple(sorted(found))


def allowed(security: Security) -> tuple[str, ...]:
    """Return the bounding set that a container gets.

    ALL and ``--privileged`` mean what this process may hand on. Raise IsolationError for a
    capability asked for by name that it may not.
    """
    add, drop = security.cap_add, security.cap_drop
    if security.privileged:
        return at_hand()
    if ALL in add:
        return tuple(name for name in at_hand() if name not in drop)
    kept = () if ALL in drop else tuple(n for n in DEFAULT_CAPABILITIES if n not in drop)
    missing = [name for name in add if name not in at_hand()]
    if missing:
        raise IsolationError(
            f"unable to apply caps: {', '.join(missing)} cannot be given here",
            hint="root itself lacks it (CapBnd in /proc/self/status)",
        )
    return (*kept, *(name for name in add if name not in kept))


def at_hand() -> tuple[str, ...]:
    """Return the capabilities in this process's bounding set (capabilities(7))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))
    return tuple(name for number, name in enumerate(KNOWN) if mask >> number & 1)
