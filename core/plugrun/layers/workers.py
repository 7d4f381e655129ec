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
from plugrun.layers.failures import explained
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
    (PR_SET_PDEATHSIG, prctl(2)).
    """

    def __init__(self, count: int) -> None:
        from queue import SimpleQueue
        from threading import Thread

        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(count):
                self._processes.append(start())
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
                send(process, words)
                finished(hear(process, words, progress))
            except (PlugrunError, OSError) as error:
                finished(error)
        assert process.stdin and process.stdout
        process.stdout.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            return


def send(process: subprocess.Popen[bytes], words: dict[str, Any]) -> None:
    """Give a worker one job."""
    assert process.stdin
    try:
        process.stdin.write(dumps(words).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise died(process.wait(), words) from None


def hear(
    process: subprocess.Popen[bytes], words: dict[str, Any], progress: Callable[[int], None]
) -> Unpacked:
    """Wait for the end of a worker's job; raise the error it ended with."""
    assert process.stdout
    for line in process.stdout:
        answer = loads(line)
        if "read" in answer:
            progress(answer["read"])
        else:
            return result_of(answer)
    raise died(process.wait(), words)


def died(code: int, words: dict[str, Any]) -> PlugrunError:
    """Return what to say of a worker that ended in the middle of a job."""
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return PlugrunError(
        f"the process that unpacked {words['blob']} {how}",
        hint="look for the kernel's out-of-memory messages in dmesg" if code == -9 else "",
    )


def result_of(answer: dict[str, Any]) -> Unpacked:
    """Return what a job's last answer says, or raise it."""
    if "error" in answer:
        kind = getattr(errors, answer["error"], PlugrunError)
        raise kind(answer["message"], hint=answer["hint"])
    done = answer["done"]
    implied, whited = (tuple(os.fsencode(p) for p in done[key]) for key in ("implied", "whited"))
    return Unpacked(done["diff_id"], done["bytes"], implied, whited, done["emptied"])


def start(inherited: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a worker; it gets these descriptors under their numbers."""
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
        try:
            with HeldTree(job["tree"]):
                # Who removes what a killed command left waits for this lock, once is enough.
                if os.getppid() != parent:
                    return
                _say(work(job))
        except FileNotFoundError:
            if os.getppid() != parent:
                return  # it was quicker
            raise


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


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job and return its last answer; progress goes to stdout on the way."""
    told = 0

    def progress(read: int) -> None:
        nonlocal told
        if read - told >= _STEP:
            told = read
            _say({"read": read})

    try:
        done = _unpack(job, progress)
    except PlugrunError as error:
        return _told(error)
    except OSError as error:
        named = isinstance(error.filename, (str, bytes))
        return _told(explained(error, os.fsdecode(error.filename) if named else "a layer"))
    except MemoryError:
        return _told(PlugrunError("cannot unpack a layer: there is not enough memory"))
    implied, whited = ([os.fsdecode(p) for p in paths] for paths in (done.implied, done.whited))
    words = {"diff_id": done.diff_id, "bytes": done.bytes, "emptied": done.emptied}
    return {"done": {**words, "implied": implied, "whited": whited}}


def _told(error: PlugrunError) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def _unpack(job: dict[str, Any], progress: Callable[[int], None]) -> Unpacked:
    if "source" not in job:
        return unpack_layer(job["blob"], job["tree"], job["whiteouts"], progress)
    try:
        return keep_layer(job["source"], job["kept"], job["tree"], job["whiteouts"])
    finally:
        os.close(job["source"])


def _say(words: dict[str, Any]) -> None:
    data = dumps(words).encode() + b"\n"
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever gave the job has been killed, and its signal to this process is on its way.
        os._exit(0)
