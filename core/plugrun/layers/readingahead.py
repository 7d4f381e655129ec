"""What a walk through a tree will read is brought into memory by a process that walks before it.

Many small files that are not in the kernel's cache cost a wait each, one after the other. Who walks
before and only asks for them (posix_fadvise(2), POSIX_FADV_WILLNEED) has many on their way at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat

from plugrun.layers.treeread import open_regular
from plugrun.linux.filesystem import FUSE_MAGIC, filesystem_magic
from plugrun.linux.process import PR_SET_PDEATHSIG, has_one_thread, prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    from plugrun.layers.treeread import Node

WORTHWHILE = 256  # entries of a tree before a process pays
STEP = 64  # entries that are told of at once
AHEAD = 1024  # entries it may be ahead at most
_FIRST = 1 << 17  # bytes of each file; what is longer the kernel reads ahead by itself


class ReadingAhead:
    """While it is entered, what ``nodes`` yields is read ahead of who calls ``passed``.

    ``root`` is the tree's descriptor, ``nodes`` makes a walk of its own. It begins once the tree
    has shown to be large, and stays some entries ahead: they cost memory. Nothing depends on it:
    it is left out where this process has threads, which a fork might deadlock, on a single
    processor, on FUSE, whose server would have the work twice, and where there is no room for a
    process. It dies with this process.
    """

    def __init__(self, root: int, nodes: Callable[[], Iterable[Node]]) -> None:
        self._root = root
        self._nodes = nodes
        self._count = 0
        self._turns = -1
        self._process = -1  # by descriptor: a caller who reaps all children frees the number

    def __enter__(self) -> ReadingAhead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._turns >= 0:
            os.close(self._turns)
        if self._process >= 0:
            _end(self._process)

    def passed(self) -> None:
        """One more entry has been read."""
        self._count += 1
        if self._count % STEP:
            return
        if self._count == WORTHWHILE:
            with contextlib.suppress(OSError):  # no more processes or descriptors (RLIMIT_NPROC)
                if self._pays():
                    self._fork()
        elif self._turns >= 0:
            self._tell()

    def _pays(self) -> bool:
        if len(os.sched_getaffinity(0)) < 2 or not has_one_thread():
            return False
        return filesystem_magic(f"/proc/self/fd/{self._root}") != FUSE_MAGIC

    def _tell(self) -> None:
        try:
            os.write(self._turns, b"\0")
        except (BrokenPipeError, BlockingIOError):  # it has ended, or is far behind
            os.close(self._turns)
            self._turns = -1

    def _fork(self) -> None:
        turns, blocked = -1, signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            # A signal is for the parent alone: the child would go the parent's ways out.
            signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
            turns, self._turns = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._turns, False)
            parent, pid = os.getpid(), os.fork()
            if pid == 0:
                self._serve(parent, turns)
            self._process = _descriptor(pid)
        finally:
            if turns >= 0:
                os.close(turns)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _serve(self, parent: int, turns: int) -> NoReturn:
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(self._turns)
            if os.getppid() == parent:
                read_ahead(self._nodes(), turns)
        finally:
            os._exit(0)


def _descriptor(pid: int) -> int:
    """Return a child's descriptor; without room for one the child is ended."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # the caller's own handler of SIGCHLD has reaped it
        raise


def _end(process: int) -> None:
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        os.waitid(os.P_PIDFD, process, os.WEXITED)
    except (ProcessLookupError, ChildProcessError):
        return  # the caller's own handler of SIGCHLD has reaped it
    finally:
        os.close(process)


def read_ahead(nodes: Iterable[Node], turns: int) -> None:
    """Ask for the files among ``nodes``; each byte from ``turns`` allows ``STEP`` of them more."""
    left = WORTHWHILE + AHEAD
    for node in nodes:
        while not left:
            told = os.read(turns, 1 << 16)
            if not told:
                return
            left = len(told) * STEP
        left -= 1
        if stat.S_ISREG(node.state.st_mode) and node.state.st_size:
            _ask_for(node)


def _ask_for(node: Node) -> None:
    fd = open_regular(node.parent, node.name)
    if fd >= 0:
        os.posix_fadvise(fd, 0, _FIRST, os.POSIX_FADV_WILLNEED)
        os.close(fd)
