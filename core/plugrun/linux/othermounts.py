"""Look into other mount namespaces, from a thread that goes there instead of this process.

unshare(2) and setns(2) move one thread: with CLONE_FS it has a root and a working directory of
its own. What it opened stays open when it ends, and the descriptor of a namespace keeps all
that is mounted in it. So nothing needs to be unmounted, and nothing outlives the process.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread

from plugrun.linux.libc import SYS_OPEN_TREE, syscall
from plugrun.linux.mounting import MS_REC, MS_SLAVE, mount
from plugrun.linux.process import CLONE_FS, CLONE_NEWNS, setns, unshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

# include/uapi/linux/mount.h
_OPEN_TREE_CLONE = 0x1
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_AT_FDCWD = -100


def in_new_mounts(work: Callable[[], T]) -> tuple[T, int]:
    """Call ``work`` in a thread with a mount namespace of its own.

    What is mounted there is not seen here; what is unmounted here goes there too. Return what
    ``work`` returns, and a descriptor of the namespace: its mounts go when that is closed.
    """

    def act() -> tuple[T, int]:
        unshare(CLONE_FS | CLONE_NEWNS)
        mount("", "/", "", MS_REC | MS_SLAVE)
        done = work()
        return done, os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(act)


def open_root_of(namespace: int, *, bare: bool) -> int:
    """Return the root folder of a mount namespace, as those in it see it.

    ``bare`` is without what is mounted beneath; that is a mount of its own then (open_tree(2)).
    Nothing of what is found there is executed or loaded.
    """

    def act() -> int:
        unshare(CLONE_FS)
        setns(namespace, CLONE_NEWNS)
        if not bare:
            return os.open("/", _FOLDER)
        tree = syscall(SYS_OPEN_TREE, _AT_FDCWD, b"/", _OPEN_TREE_CLONE | os.O_CLOEXEC)
        try:
            return os.open(".", _FOLDER, dir_fd=tree)
        finally:
            os.close(tree)

    return _in_thread(act)


def _in_thread(act: Callable[[], T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []
    finished = allocate_lock()
    finished.acquire()

    def run() -> None:
        try:
            done.append(act())
        except BaseException as error:  # noqa: BLE001  (handed over and raised below)
            failed.append(error)
        finally:
            finished.release()

    start_new_thread(run, ())
    with finished:
        if failed:
            raise failed[0]
        return done[0]
