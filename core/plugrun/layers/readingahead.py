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
    processor, and on FUSE, whose server would have the work twice. It dies with this process.
    """

    def __init__(self, root: int, nodes: Callable[[], Iterable[Node]]) -> None:
        self._root = root
        self._nodes = nodes
        self._count = 0
        self._turns = -1
        self._pid = 0

    def __enter__(self) -> ReadingAhead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._turns >= 0:
            os.close(self._turns)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)  # one that has ended keeps its number until now
            os.waitpid(self._pid, 0)

    def passed(self) -> None:
        """One more entry has been read."""
        self._count += 1
        if self._count % STEP:
            return
        if self._count == WORTHWHILE and self._pays():
            with contextlib.suppress(OSError):  # no more processes or descriptors (RLIMIT_NPROC)
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
        turns, self._turns = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._turns, False)
        parent = os.getpid()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(turns)
            raise
        if self._pid == 0:
            try:
                os.setpgid(0, 0)  # a terminal's Ctrl-C is for the parent
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(self._turns)
                if os.getppid() == parent:
                    read_ahead(self._nodes(), turns)
            finally:
                os._exit(0)
        os.close(turns)


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
