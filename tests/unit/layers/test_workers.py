"""Worker processes: results and errors come back, and no worker outlives what it is for."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import select
import signal
import subprocess
import sys
from queue import SimpleQueue

import pytest
from plugrun.errors import HostileArchive, PlugrunError
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS
from plugrun.layers import workers
from plugrun.layers.unpack import unpack_layer
from plugrun.layers.workers import HeldTree, WorkerPool, send, start

from tests.unit.layers.made import Made, tar_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
PATIENCE = 60


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@pytest.fixture
def job(tmp_path):
    """A layer and a tree for it."""
    (tmp_path / "blob").write_bytes(gzip.compress(tar_of([Made("a/b"), Made("c/.wh.d")])))
    (tmp_path / "tree").mkdir()
    return str(tmp_path / "blob"), str(tmp_path / "tree"), WHITEOUT_OVERLAYFS


def blocked(job) -> tuple[str, str, str]:
    """Return a job that blocks its worker: the blob is a pipe that nobody writes to."""
    _, tree, style = job
    pipe = f"{tree}-pipe"
    os.mkfifo(pipe)
    return pipe, tree, style


def test_results_are_those_of_unpacking_here(job, tmp_path):
    finished = SimpleQueue()
    with WorkerPool(1) as pool:
        pool.unpack(*job, lambda count: None, finished.put)
        told = finished.get(timeout=PATIENCE)
    (tmp_path / "other").mkdir()
    assert told == unpack_layer(job[0], str(tmp_path / "other"), WHITEOUT_OVERLAYFS)
    assert told.whited == (b"c",)


def test_names_that_are_no_text_come_back(job, tmp_path):
    with open(job[0], "wb") as file:
        file.write(tar_of([Made("\udcff/x"), Made("ü/x")]))
    finished = SimpleQueue()
    with WorkerPool(1) as pool:
        pool.unpack(*job, lambda count: None, finished.put)
        assert finished.get(timeout=PATIENCE).implied == (b"", b"\xc3\xbc", b"\xff")


def test_errors_keep_their_class_and_words(job):
    with open(job[0], "wb") as file:
        file.write(tar_of([Made("../x")]))
    finished = SimpleQueue()
    with WorkerPool(1) as pool:
        pool.unpack(*job, lambda count: None, finished.put)
        error = finished.get(timeout=PATIENCE)
        # And the worker goes on.
        pool.unpack("/no/such/blob", *job[1:], lambda count: None, finished.put)
        other = finished.get(timeout=PATIENCE)
    assert isinstance(error, HostileArchive)
    assert "../x" in error.message
    assert "No such file" in other.message


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, "NoSpace"), (errno.EDQUOT, "NoSpace"), (errno.EIO, "")]
)
def test_a_disk_that_refuses_at_the_sync_is_as_one_at_a_write(job, monkeypatch, number, kind):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(workers, "unpack_layer", refuse)
    told = workers.work(dict(zip(("blob", "tree", "whiteouts"), job, strict=True)))
    assert told["error"] == (kind or "PlugrunError")
    assert told["message"] == f"cannot unpack a layer: {os.strerror(number)}"
    assert bool(told["hint"]) is bool(kind)


def test_a_killed_worker_is_told_of(job):
    before = set(children())
    finished = SimpleQueue()
    with WorkerPool(1) as pool:
        pool.unpack(*blocked(job), lambda count: None, finished.put)
        (worker,) = set(children()) - before
        os.kill(worker, signal.SIGKILL)
        error = finished.get(timeout=PATIENCE)
        pool.unpack(*job, lambda count: None, finished.put)
        again = finished.get(timeout=PATIENCE)
    assert isinstance(error, PlugrunError)
    assert "was killed by signal 9" in error.message
    assert "out-of-memory" in error.hint
    assert "was killed by signal 9" in again.message


def test_closing_ends_workers_whatever_they_do(job):
    before = set(children())
    finished = SimpleQueue()
    pool = WorkerPool(2)
    pool.unpack(*blocked(job), lambda count: None, finished.put)
    pool.close()
    pool.close()
    assert set(children()) == before


def test_a_worker_that_nobody_listens_to_ends_quietly(job, capfd):
    """Its parent was killed, and the signal that follows it has not come yet."""
    blob, tree, style = job
    process = start()
    process.stdout.close()
    send(process, {"blob": blob, "tree": tree, "whiteouts": style})
    assert process.wait(PATIENCE) == 0
    process.stdin.close()
    assert capfd.readouterr().err == ""


PARENT = """
import os, sys
from plugrun.layers.workers import WorkerPool
with WorkerPool(2) as pool:
    pool.unpack(*sys.argv[1:], print, print)
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        print(file.read(), flush=True)
    sys.stdin.read()
"""


def test_workers_die_with_their_parent(job):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *blocked(job)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    workers = [os.pidfd_open(int(word)) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.communicate(timeout=PATIENCE)
    for worker in workers:
        assert select.select([worker], [], [], PATIENCE)[0]
        os.close(worker)


def test_ctrl_c_on_the_terminal_is_not_for_workers(job):
    before = set(children())
    with WorkerPool(1):
        (worker,) = set(children()) - before
        assert os.getpgid(worker) == worker


def test_a_tree_in_use_is_waited_for(job):
    _, tree, _ = job
    with HeldTree(tree):
        fd = os.open(tree, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
