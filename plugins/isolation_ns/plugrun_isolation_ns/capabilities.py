"""capabilities(7): names, and what a process keeps of them."""

from __future__ import annotations

import ctypes

from plugrun.api import IsolationError, libc, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# In the order of their numbers: include/uapi/linux/capability.h
NAMES = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
]
SYS_ADMIN = 1 << 21

_VERSION_3 = 0x20080522
_PR_CAP_AMBIENT_RAISE = 2


def mask(names: Iterable[str]) -> int:
    """Return capabilities as bits; an unknown name is an error, not nothing."""
    result = 0
    for name in names:
        if name not in NAMES:
            raise IsolationError(f"{name} is no capability that this version knows")
        result |= 1 << NAMES.index(name)
    return result


class Kept:
    """What the container's process keeps: the spec's sets, less what this process lacks."""

    def __init__(self, spec: dict[str, Any] | None) -> None:
        have = _bounding_set()
        sets = spec or {}
        self.bounding = mask(sets.get("bounding") or ()) & have
        self.permitted = mask(sets.get("permitted") or ()) & have
        self.effective = mask(sets.get("effective") or ()) & self.permitted
        self.inheritable = mask(sets.get("inheritable") or ()) & have
        # An ambient capability must be permitted and inheritable: capabilities(7).
        self.ambient = mask(sets.get("ambient") or ()) & self.permitted & self.inheritable
        self._have = have

    def drop_bounding(self) -> None:
        """Shrink the bounding set; needs CAP_SETPCAP, so it comes before the change of user."""
        for number in range(self._have.bit_length()):
            if self._have & ~self.bounding & 1 << number:
                process.prctl(process.PR_CAPBSET_DROP, number)

    def apply(self, extra: int = 0) -> None:
        """Set the thread's sets; ``extra`` stays permitted and effective until the next call."""
        _capset(self.effective | extra, self.permitted | extra, self.inheritable)

    def raise_ambient(self) -> None:
        """Set the ambient set."""
        process.prctl(process.PR_CAP_AMBIENT, process.PR_CAP_AMBIENT_CLEAR_ALL)
        for number in range(self.ambient.bit_length()):
            if self.ambient & 1 << number:
                process.prctl(process.PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def _bounding_set() -> int:
    have = 0
    for number in range(len(NAMES)):
        # A number this kernel does not know is an error of prctl, not a zero.
        if libc.LIBC.prctl(process.PR_CAPBSET_READ, ctypes.c_ulong(number)) == 1:
            have |= 1 << number
    return have


def _capset(effective: int, permitted: int, inheritable: int) -> None:
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    low = [value & 0xFFFFFFFF for value in (effective, permitted, inheritable)]
    high = [value >> 32 for value in (effective, permitted, inheritable)]
    data = (ctypes.c_uint32 * 6)(*low, *high)
    libc.check(libc.LIBC.capset(header, data), "capset")
