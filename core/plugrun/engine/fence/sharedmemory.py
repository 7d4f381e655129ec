"""/dev/shm of another container, for one that shares its IPC namespace.

A mount can only be cloned in the mount namespace it lies in (open_tree(2)), and only be found by
a path of ours in our own. So the monitor goes into the other container for one system call, then
puts the clone into a mount namespace of its own in which the container is made, and comes back:
nothing is mounted on the host, and nothing is left if it is killed. In there only system calls are
made: whatever Python loaded then would be the other container's.
"""

from __future__ import annotations

import os

from plugrun.errors import Conflict
from plugrun.linux.filesystem import make_private
from plugrun.linux.libc import SYS_MOVE_MOUNT, SYS_OPEN_TREE, syscall
from plugrun.linux.mounting import MS_PRIVATE, MS_REC, mount
from plugrun.linux.process import CLONE_NEWNS, setns, unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_AT_FDCWD = -100
_OPEN_TREE_CLONE = 1
_FROM_EMPTY_PATH = 0x04
_PLACE = b"/dev/shm"


def with_shared_memory(there: int, target: str, make: Callable[[], T]) -> T:
    """Return what ``make`` returns, called where ``target`` is the /dev/shm of a container.

    ``there`` is a descriptor of the container's mount namespace; ``target`` a folder of this
    machine, made if it is not there and gone afterwards. The caller has one thread. Raise
    Conflict if that container has no /dev/shm any more.
    """
    make_private(target)
    here = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    folder = os.getcwd()
    tree = -1
    try:
        tree = _shared(there, here)
        unshare(CLONE_NEWNS)
        mount("", "/", "", MS_PRIVATE | MS_REC, "")
        raw = os.fsencode(target)
        syscall(SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, raw, _FROM_EMPTY_PATH, subject=target)
        return make()
    finally:
        # Both change the working directory to the namespace's root: setns(2).
        setns(here, CLONE_NEWNS)
        os.chdir(folder)
        if tree >= 0:
            os.close(tree)
        os.close(here)
        # That it is a mount point elsewhere keeps it here no more: rename(2), rmdir(2) since 3.13.
        os.rmdir(target)


def _shared(there: int, here: int) -> int:
    """Return a clone of the other's /dev/shm; raise Conflict if there is none."""
    try:
        return _clone(there, here)
    except OSError as error:
        # With enough capabilities it can be unmounted and replaced in there.
        raise Conflict(
            f"can't share /dev/shm of the other container: {(error.strerror or '').lower()}",
            hint="restart the other container",
        ) from None


def _clone(there: int, here: int) -> int:
    """Return a clone of /dev/shm in another mount namespace, as a mount not attached anywhere."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    setns(there, CLONE_NEWNS)
    try:
        return syscall(SYS_OPEN_TREE, _AT_FDCWD, _PLACE, flags)
    finally:
        setns(here, CLONE_NEWNS)
