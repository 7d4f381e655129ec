"""A process that unpacks and keeps one layer while it is being made.

Where this process has no other thread it is a fork, there at once; an interpreter of its own, as a
``WorkerPool`` has, takes 40 ms more, but a fork next to another thread might wait for ever for what
that one holds.
"""

from __future__ import annotations

import os
import signal

from plugrun.layers.unpack import Unpacked
from plugrun.layers.workers import HeldTree, died, hear, result_of, send, start, work
from plugrun.linux.process import PR_SET_PDEATHSIG, has_one_thread, prctl
from plugrun.linux.writing import write_all
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any, Protocol

    class Keeper(Protocol):
        """The process; to be ended, whatever it is doing, by who made it."""

        def result(self) -> Unpacked:
            """Wait for the end of the layer; raise what is wrong with it."""

        def end(self) -> None:
            """End it."""


def keep_apart(source: int, kept: int, tree: str, whiteouts: str, other: int = -1) -> Keeper:
    """Begin to unpack what comes from ``source``, and to write it into ``kept``: ``keep_layer``.

    The process has ``source`` to itself: this closes the caller's. So who writes into a pipe is
    told by EPIPE when nobody reads it any more. ``other`` is that end, which the process must not
    hold.
    """
    words = {"blob": "the layer", "source": source, "kept": kept}
    words |= {"tree": tree, "whiteouts": whiteouts}
    try:
        if has_one_thread():
            return _Fork(words, other)
        return _Fresh(words)
    finally:
        os.close(source)


class _Fresh:
    """An interpreter of its own."""

    def __init__(self, words: dict[str, Any]) -> None:
        self._words = words
        self._process: subprocess.Popen[bytes] = start((words["source"], words["kept"]))
        send(self._process, words)

    def result(self) -> Unpacked:
        return hear(self._process, self._words, lambda count: None)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Fork:
    """A fork that does no more than this and ends."""

    def __init__(self, words: dict[str, Any], other: int) -> None:
        self._words = words
        self._answer, write = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.setpgid(0, 0)  # a terminal's Ctrl-C is for the parent
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if other >= 0:
                    os.close(other)
                with HeldTree(words["tree"]):
                    if os.getppid() == parent:
                        write_all(write, dumps(work(words)).encode())
            finally:
                os._exit(0)
        os.close(write)

    def result(self) -> Unpacked:
        said = b""
        while piece := os.read(self._answer, 1 << 16):
            said += piece
        if said:
            return result_of(loads(said))
        raise died(self._wait(), self._words)

    def end(self) -> None:
        os.close(self._answer)
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)  # one that has ended keeps its number until now
            self._wait()

    def _wait(self) -> int:
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
