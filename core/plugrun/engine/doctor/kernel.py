"""The kernel: calls, file systems, and what confines a process.

A call is asked for with arguments that no kernel takes: only one without the call says ENOSYS.
"""

from __future__ import annotations

import errno
import os

from plugrun.engine.doctor.checks import MISSING, NOTE, OK, Check, read_first
from plugrun.linux import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AREA = "kernel"
_CALLS = (
    ("openat2", "5.6", libc.SYS_OPENAT2, "every container: paths beneath a root"),
    ("close_range", "5.9", libc.SYS_CLOSE_RANGE, "every container: no descriptors but its own"),
    ("mount_setattr", "5.12", libc.SYS_MOUNT_SETATTR, "every container: read-only mounts"),
    ("pidfd_open", "5.3", libc.SYS_PIDFD_OPEN, "every container: its end is noticed"),
    ("fsopen", "5.2", libc.SYS_FSOPEN, "storage overlay: mounts of many layers"),
)
_FILE_SYSTEMS = (
    ("overlay", "storage overlay"),
    ("fuse", "storage fuse"),
    ("btrfs", "storage cow: snapshots without copies, on a disk that has it"),
    ("xfs", "storage cow: files that share blocks, on a disk that has it"),
)


def check_kernel() -> Iterator[Check]:
    """Look at calls, file systems and fences."""
    here = os.uname()
    yield Check(AREA, "release", OK, f"{here.sysname} {here.release} {here.machine}")
    for name, since, number, purpose in _CALLS:
        has = _has_call(number)
        found = "there" if has else "not there"
        remedy = "" if has else f"use Linux {since} or later"
        yield Check(AREA, f"{name}(2)", OK if has else MISSING, found, purpose, remedy)
    for name, purpose in _FILE_SYSTEMS:
        yield _file_system(name, purpose)
    yield _seccomp()
    yield _confinement()


def _has_call(number: int) -> bool:
    try:
        libc.syscall(number, -1, -1, -1, -1, -1)
    except OSError as error:
        return error.errno != errno.ENOSYS
    return True


def _file_system(name: str, purpose: str) -> Check:
    if name in known_file_systems():
        return Check(AREA, name, OK, "there", purpose)
    if is_module(name):
        found, remedy = "a module that is not loaded", f"modprobe {name}"
    else:
        found, remedy = "not in this kernel", f"use a kernel with {name}, or another storage"
    return Check(AREA, name, NOTE, found, purpose, remedy)


def known_file_systems() -> set[str]:
    """Return the types that can be mounted now: proc_filesystems(5)."""
    with open("/proc/filesystems", encoding="utf-8") as file:
        return {line.split()[-1] for line in file if line.strip()}


def is_module(name: str) -> bool:
    """Whether the kernel could load a module of this name: modules.dep(5)."""
    try:
        with open(f"/lib/modules/{os.uname().release}/modules.dep", encoding="utf-8") as file:
            return any(f"/{name}.ko" in line.partition(":")[0] for line in file)
    except OSError:
        return False


def _seccomp() -> Check:
    actions = read_first("/proc/sys/kernel/seccomp/actions_avail")
    purpose = "every container: system calls are filtered"
    if "errno" in actions.split():
        return Check(AREA, "seccomp", OK, actions, purpose)
    remedy = "use a kernel with CONFIG_SECCOMP_FILTER"
    return Check(AREA, "seccomp", MISSING, "no filters", purpose, remedy)


def _confinement() -> Check:
    modules = read_first("/sys/kernel/security/lsm")
    if read_first("/sys/module/apparmor/parameters/enabled") == "Y" and "apparmor" not in modules:
        modules = f"{modules},apparmor".lstrip(",")
    return Check(AREA, "security modules", OK, modules or "none that is told of")
