"""Processes: start times, prctl(2), namespaces, descriptors."""

from __future__ import annotations

import ctypes
import os

from plugrun.linux.alive import is_alive as is_alive
from plugrun.linux.alive import start_time as start_time
from plugrun.linux.libc import LIBC, SYS_CLOSE_RANGE, check, syscall

CLONE_NEWTIME = 0x00000080
CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


def prctl(option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
    """prctl(2)."""
    rest = [ctypes.c_ulong(a) for a in (arg2, arg3, arg4, arg5)]
    return check(LIBC.prctl(option, *rest))


def has_one_thread() -> bool:
    """Whether this process may fork: beside other threads a fork might wait for what they hold."""
    return len(os.listdir("/proc/self/task")) == 1


def unshare(flags: int) -> None:
    """Leave namespaces for new ones: unshare(2)."""
    check(LIBC.unshare(flags))


def setns(fd: int, kind: int = 0) -> None:
    """Join the namespace, or with a pidfd the namespaces, behind a descriptor: setns(2)."""
    check(LIBC.setns(fd, kind))


def close_range(first: int, last: int = 0x7FFFFFFF) -> None:
    """Close all descriptors from ``first`` to ``last``: close_range(2)."""
    syscall(SYS_CLOSE_RANGE, first, last, 0)
