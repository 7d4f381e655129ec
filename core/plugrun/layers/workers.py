"""Processes that unpack layers, one layer at a time each.

Threads would share one interpreter lock (measured: four layers 4.3 s in threads, 1.6 s in
processes). They are fresh interpreters and not forks, so it does not matter which threads the
parent has. They die with the parent, and leave Ctrl-C to it (a process group of their own).

Between the two go JSON lines: a job to the worker's stdin; from its stdout any number of
``{"read": bytes}``, then ``{"done": …}`` or ``{"error": …}``.
"""

from __future__ import annotations

import os
import sys

from plugrun import errors
from plugrun.errors import PlugrunError
from plugrun.layers.unpack import Unpacked, keep_layer, unpack_layer
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from queue import SimpleQueue
    from threading import Thread
    from typing import Any

    Finished = Callable[["Unpacked | BaseException"], None]
    Job = tuple[dict[str, Any], Callable[[int], None], Finished]

_START = """\
import sys
sys.path[:] = {path!r}
from plugrun.layers.workers import serve
serve({parent})
"""
_STEP = 8 << 20  # bytes read between two words about progress


class WorkerPool:
    """Worker processes, started at once; ``with`` ends them, whatever they are doing.

    To be made by a thread that outlives it: the kernel ends the workers with that thread
    (PR_SET_PDEATHSIG, prctl(2)). ``inherited`` are descriptors that they get, by the same numbers.
    """

    def __init__(self, count: int, inherited: Sequence[int] = ()) -> None:
        from queue import SimpleQueue
        from threading import Thread

        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(count):
                self._processes.append(_start(inherited))
        except BaseException:
            self._kill()
            raise
        self._threads += [
            Thread(target=self._serve, args=(process,), name="layer worker", daemon=True)
            for process in self._processes
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers; a job that was running is told that it ended. May be done again."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        self._kill()
        for thread in threads:
            thread.join()

    def unpack(
        self,
        blob: str,
        tree: str,
        whiteouts: str,
        progress: Callable[[int], None],
        finished: Finished,
    ) -> None:
        """Unpack a layer when a worker is free; see ``unpack_layer``.

        ``progress`` and ``finished`` are called in a thread of the pool; ``finished`` gets the
        result or the error.
        """
        self._jobs.put(({"blob": blob, "tree": tree, "whiteouts": whiteouts}, progress, finished))

    def keep(self, source: int, kept: int, tree: str, whiteouts: str, finished: Finished) -> None:
        """Unpack and keep a layer that is being made; see ``keep_layer``.

        Both descriptors are ``inherited``. When it is done the worker closes ``source``: who still
        writes into that pipe is told by EPIPE that nobody reads any more.
        """
        words = {"blob": "the layer", "source": source, "kept": kept}
        self._jobs.put(({**words, "tree": tree, "whiteouts": whiteouts}, _unheard, finished))

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def _serve(self, process: subprocess.Popen[bytes]) -> None:
        """Hand jobs to one process and answers back."""
        while (job := self._jobs.get()) is not None:
            words, progress, finished = job
            try:
                finished(_converse(process, words, progress))
            except (PlugrunError, OSError) as error:
                finished(error)
        assert process.stdin and process.stdout
        process.stdout.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            return


def _converse(
    process: subprocess.Popen[bytes], words: dict[str, Any], progress: Callable[[int], None]
) -> Unpacked:
    """Give one job and wait for its end; raise the error it ended with."""
    assert process.stdin and process.stdout
    try:
        process.stdin.write(dumps(words).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise _died(process, words) from None
    for line in process.stdout:
        answer = loads(line)
        if "read" in answer:
            progress(answer["read"])
        elif "error" in answer:
            kind = getattr(errors, answer["error"], PlugrunError)
            raise kind(answer["message"], hint=answer["hint"])
        else:
            return _unpacked(answer["done"])
    raise _died(process, words)


def _died(process: subprocess.Popen[bytes], words: dict[str, Any]) -> PlugrunError:
    code = process.wait()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return PlugrunError(
        f"the process that unpacked {words['blob']} {how}",
        hint="look for the kernel's out-of-memory messages in dmesg" if code == -9 else "",
    )


def _unpacked(done: dict[str, Any]) -> Unpacked:
    implied, whited = (tuple(os.fsencode(p) for p in done[key]) for key in ("implied", "whited"))
    return Unpacked(done["diff_id"], done["bytes"], implied, whited, done["emptied"])


def _unheard(count: int) -> None:
    """Nobody wants to know how far it is."""


def _start(inherited: Sequence[int]) -> subprocess.Popen[bytes]:
    import subprocess

    path = [entry for entry in sys.path if os.path.isabs(entry)]
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _START.format(path=path, parent=os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=inherited,
        process_group=0,  # a terminal's Ctrl-C is for the parent, from the first moment on
    )


# -- in the worker ----------------------------------------------------------------------------


def serve(parent: int) -> None:
    """Do jobs until stdin ends, or the process ``parent``."""
    import resource
    import signal

    from plugrun.linux.process import PR_SET_PDEATHSIG, prctl

    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Loaded before the first job, while blobs are still on their way.
    import hashlib  # noqa: F401
    import queue  # noqa: F401
    import threading  # noqa: F401

    import isal.igzip_lib  # noqa: F401

    for line in sys.stdin.buffer:
        job = loads(line)
        with HeldTree(job["tree"]):
            # Who removes what a killed command left waits for this lock, and need not wait again.
            if os.getppid() != parent:
                return
            _say(_work(job))


class HeldTree:
    """Holds a tree's lock: the worker in it, or whoever removes it once that worker has ended.

    A killed command's worker outlives it, and its locks, by a moment.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        import fcntl

        self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _work(job: dict[str, Any]) -> dict[str, Any]:
    told = 0

    def progress(read: int) -> None:
        nonlocal told
        if read - told >= _STEP:
            told = read
            _say({"read": read})

    try:
        done = _unpack(job, progress)
    except PlugrunError as error:
        return {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    except (OSError, MemoryError) as error:
        return {"error": "PlugrunError", "message": f"cannot unpack a layer: {error}", "hint": ""}
    implied, whited = ([os.fsdecode(p) for p in paths] for paths in (done.implied, done.whited))
    words = {"diff_id": done.diff_id, "bytes": done.bytes, "emptied": done.emptied}
    return {"done": {**words, "implied": implied, "whited": whited}}


def _unpack(job: dict[str, Any], progress: Callable[[int], None]) -> Unpacked:
    if "source" not in job:
        return unpack_layer(job["blob"], job["tree"], job["whiteouts"], progress)
    try:
        return keep_layer(job["source"], job["kept"], job["tree"], job["whiteouts"])
    finally:
        os.close(job["source"])


def _say(words: dict[str, Any]) -> None:
    data = dumps(words).encode() + b"\n"
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
