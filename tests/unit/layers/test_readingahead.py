"""A process asks for a tree's files before they are read, and nothing depends on it."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from plugrun.layers import readingahead
from plugrun.layers.archive import archive_tree
from plugrun.layers.readingahead import AHEAD, STEP, WORTHWHILE, ReadingAhead, read_ahead
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treeread import Node, Walk

COUNT = WORTHWHILE + AHEAD + 2 * STEP


@pytest.fixture
def root(tmp_path) -> Iterator[int]:
    """A folder with more files than are asked for at once."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(COUNT):
        (tree / f"{number:05}").write_bytes(b"%d" % number)
    fd = os.open(tree, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def asked(monkeypatch) -> list[bytes]:
    """The files that were asked for."""
    seen: list[bytes] = []
    monkeypatch.setattr(readingahead, "_ask_for", lambda node: seen.append(node.name))
    return seen


def children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return file.read().split()


def test_it_is_no_more_than_so_much_ahead(root, asked):
    turns, feed = os.pipe()
    os.close(feed)
    read_ahead(Walk(root), turns)
    os.close(turns)
    assert len(asked) == WORTHWHILE + AHEAD


def test_a_turn_allows_so_many_more(root, asked):
    turns, feed = os.pipe()
    os.write(feed, b"\0")
    os.close(feed)
    read_ahead(Walk(root), turns)
    os.close(turns)
    assert len(asked) == WORTHWHILE + AHEAD + STEP


def test_files_are_asked_for_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    seen: list[tuple[int, str]] = []

    def advise(fd: int, offset: int, count: int, advice: int) -> None:
        seen.append((advice, os.readlink(f"/proc/self/fd/{fd}")))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    fd = os.open(tmp_path, os.O_RDONLY)
    read_ahead(Walk(fd), -1)
    os.close(fd)
    assert seen == [(os.POSIX_FADV_WILLNEED, f"{tmp_path}/file")]


def test_a_file_that_is_a_fifo_by_now_is_left_alone(tmp_path):
    def nodes() -> Iterator[Node]:
        for node in Walk(fd):
            os.unlink(tmp_path / "file")
            os.mkfifo(tmp_path / "file")
            yield node

    (tmp_path / "file").write_bytes(b"x")
    fd = os.open(tmp_path, os.O_RDONLY)
    read_ahead(nodes(), -1)
    os.close(fd)


def pass_all(root: int, nodes) -> list[str]:
    """Pass every entry; return this process's children in the midst of it."""
    seen: list[str] = []
    with ReadingAhead(root, nodes) as ahead:
        for number, _ in enumerate(Walk(root), 1):
            ahead.passed()
            if number == WORTHWHILE + 1:
                seen = children()
    return seen


def some_processors(monkeypatch, count: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)))


def test_it_is_a_process_that_is_gone_afterwards(root, monkeypatch):
    some_processors(monkeypatch, 2)
    before = children()
    assert len(pass_all(root, lambda: Walk(root))) == len(before) + 1
    assert children() == before


def test_a_process_that_fails_changes_nothing(root, monkeypatch):
    some_processors(monkeypatch, 2)

    def nodes() -> Iterator[Node]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield from ()

    before = children()
    with ReadingAhead(root, nodes) as ahead:
        for _ in range(COUNT):
            ahead.passed()
        [pid] = set(children()) - set(before)
        os.waitid(os.P_PID, int(pid), os.WEXITED | os.WNOWAIT)
        for _ in range(2 * STEP):
            ahead.passed()
    assert children() == before


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def test_no_descriptor_is_left(root, monkeypatch):
    some_processors(monkeypatch, 2)
    before = descriptors()
    pass_all(root, lambda: Walk(root))
    assert descriptors() == before


@pytest.mark.parametrize("act", ["listdir", "pipe2", "fork", "pidfd_open"])
def test_where_there_is_no_room_it_is_left_out(root, monkeypatch, act):
    def refuse(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "no more")

    some_processors(monkeypatch, 2)
    before = children(), descriptors()
    with ReadingAhead(root, lambda: Walk(root)) as ahead, monkeypatch.context() as patched:
        patched.setattr(os, act, refuse)
        for _ in range(COUNT):
            ahead.passed()
        assert children() == before[0]
    assert (children(), descriptors()) == before


def test_a_caller_who_ignores_its_children(root, monkeypatch):
    """The kernel reaps them, and their numbers may be others' by then."""
    some_processors(monkeypatch, 2)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        pass_all(root, lambda: Walk(root))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_signals_are_for_the_caller_alone(root, monkeypatch):
    some_processors(monkeypatch, 2)
    told, tell = os.pipe()

    def nodes() -> Iterator[Node]:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        os.write(tell, b"%d" % len(mask & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}))
        yield from ()

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with ReadingAhead(root, nodes) as ahead:
        for _ in range(WORTHWHILE):
            ahead.passed()
        assert os.read(told, 9) == b"3"
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    os.close(told)
    os.close(tell)


_KILLED = """
import os, signal, sys
from plugrun.layers.readingahead import WORTHWHILE, ReadingAhead
from plugrun.layers.treeread import Walk
os.sched_getaffinity = lambda pid: {0, 1}
root = os.open(sys.argv[1], os.O_RDONLY)
with ReadingAhead(root, lambda: Walk(root)) as ahead:
    for _ in range(WORTHWHILE):
        ahead.passed()
    print(open("/proc/self/task/%d/children" % os.getpid()).read(), flush=True)
    signal.pause()
"""


def test_it_dies_with_the_caller(root):
    """It waits for its turn by then, or soon: there are more files than it may ask for."""
    tree = os.readlink(f"/proc/self/fd/{root}")
    caller = subprocess.Popen([sys.executable, "-c", _KILLED, tree], stdout=subprocess.PIPE)
    assert caller.stdout is not None
    process = os.pidfd_open(int(caller.stdout.readline()))
    caller.kill()
    caller.wait()
    ended, _, _ = select.select([process], [], [], 60)
    os.close(process)
    caller.stdout.close()
    assert ended


def test_one_processor_gets_none(root, monkeypatch):
    some_processors(monkeypatch, 1)
    before = children()
    assert pass_all(root, lambda: Walk(root)) == before


def test_a_process_with_threads_gets_none(root, monkeypatch):
    some_processors(monkeypatch, 2)
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        before = children()
        assert pass_all(root, lambda: Walk(root)) == before
    finally:
        end.set()
        thread.join()


def test_a_fuse_gets_none(root, monkeypatch):
    some_processors(monkeypatch, 2)
    monkeypatch.setattr(readingahead, "filesystem_magic", lambda path: readingahead.FUSE_MAGIC)
    before = children()
    assert pass_all(root, lambda: Walk(root)) == before


def test_an_archive_is_the_same_with_and_without(root, tmp_path, monkeypatch):
    archives = []
    for processors in (1, 2):
        some_processors(monkeypatch, processors)
        path = tmp_path / f"{processors}.tar"
        with open(path, "wb") as file:
            archive_tree(root, TarSink(file.fileno()))
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]
