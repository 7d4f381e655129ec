"""Forked processes that share the folders of one copy.

Each takes the next batch of folders when it is done with its last: a batch is two bytes in a pipe,
and whoever reads them has it. What a process has to tell comes through a pipe of its own. They die
with the process that forked them.
"""

from __future__ import annotations

import marshal
import os
import signal

from plugrun.errors import PlugrunError
from plugrun.linux.process import PR_SET_PDEATHSIG, prctl
from plugrun.linux.writing import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.snapshots.copying import Left, TreeCopy

_MOST_BATCHES = 1000  # all of them fit into a pipe at once
_BATCH = 100  # entries at least


def share_out(copy: TreeCopy, count: int) -> Left:
    """Fill all folders of a copy in ``count`` processes, this one among them.

    Return what was left out (``TreeCopy.fill``). This process must have one thread. Raise the
    OSError that one of them met, or PlugrunError if one was killed; none is left afterwards.
    """
    batches = _batches(copy.weights)
    queue, feed = os.pipe()
    try:
        os.write(feed, b"".join(n.to_bytes(2, "little") for n in range(len(batches))))
    finally:
        os.close(feed)
    children: list[_Child] = []
    try:
        for _ in range(count - 1):
            children.append(_Child(copy, batches, queue))
        left = _work(copy, batches, queue)
        for child in children:
            left += child.answer()
    finally:
        os.close(queue)
        for child in children:
            child.end()
    return left


def _batches(weights: list[int]) -> list[range]:
    """Cut folders into runs of about the same number of entries."""
    least = max(_BATCH, sum(weights) // _MOST_BATCHES + 1)
    batches, start, weight = [], 0, 0
    for number, more in enumerate(weights, 1):
        weight += more
        if weight >= least or number == len(weights):
            batches.append(range(start, number))
            start, weight = number, 0
    return batches


def _work(copy: TreeCopy, batches: list[range], queue: int) -> Left:
    left: Left = []
    while number := os.read(queue, 2):
        left += copy.fill(batches[int.from_bytes(number, "little")])
    return left


class _Child:
    def __init__(self, copy: TreeCopy, batches: list[range], queue: int) -> None:
        parent = os.getpid()
        self._read, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(self._read)
                if os.getppid() == parent:
                    write_all(write, marshal.dumps(_tell(copy, batches, queue)))
            finally:
                os._exit(0)
        os.close(write)

    def answer(self) -> Left:
        """Wait for the end; raise what went wrong."""
        data = b""
        while piece := os.read(self._read, 1 << 16):
            data += piece
        if not data:
            raise PlugrunError(
                "a process that copied a snapshot was killed",
                hint="look for the kernel's out-of-memory messages in dmesg",
            )
        told: Any = marshal.loads(data)  # noqa: S302  (our own child's)
        if isinstance(told, tuple):
            raise OSError(*told)
        left: Left = told
        return left

    def end(self) -> None:
        """End it, whatever it is doing."""
        os.close(self._read)
        os.kill(self._pid, signal.SIGKILL)  # one that has ended keeps its number until now
        os.waitpid(self._pid, 0)


def _tell(copy: TreeCopy, batches: list[range], queue: int) -> Left | tuple[int | None, str | None]:
    """Return what was left out, or the error as errno and text."""
    try:
        return _work(copy, batches, queue)
    except OSError as error:
        return error.errno, error.strerror
