"""System calls whose numbers differ between architectures (asm/unistd.h)."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_X86_64 = {
    "clone": 56,
    "keyctl": 250,
    "seccomp": 317,
    "bpf": 321,
    "execveat": 322,
}
_AARCH64 = {
    "clone": 220,
    "keyctl": 219,
    "seccomp": 277,
    "bpf": 280,
    "execveat": 281,
}
SYS_CLONE3 = 435

_NUMBERS = {"x86_64": _X86_64, "aarch64": _AARCH64}


def machine() -> str:
    """Return this machine's architecture, one that this backend has numbers for."""
    name = os.uname().machine
    if name not in _NUMBERS:
        raise BackendUnavailable(
            f"isolation ns knows x86_64 and aarch64, not {name}",
            hint="use a backend that stands on runc or crun",
        )
    return name


def number(name: str) -> int:
    """Return a system call's number here."""
    return _NUMBERS[machine()][name]


def call(name: str, *args: Any) -> int:
    """Make a system call by name; OSError names it."""
    return libc.syscall(number(name), *args, subject=name)
