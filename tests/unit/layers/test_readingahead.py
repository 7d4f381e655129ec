"""A process asks for a tree's files before they are read, and nothing depends on it."""

from __future__ import annotations

import os
import signal
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


def test_no_more_processes_are_no_failure(root, monkeypatch):
    def fork() -> int:
        raise BlockingIOError

    some_processors(monkeypatch, 2)
    monkeypatch.setattr(os, "fork", fork)
    before = os.listdir("/proc/self/fd")
    pass_all(root, lambda: Walk(root))
    assert os.listdir("/proc/self/fd") == before


def test_an_archive_is_the_same_with_and_without(root, tmp_path, monkeypatch):
    archives = []
    for processors in (1, 2):
        some_processors(monkeypatch, processors)
        path = tmp_path / f"{processors}.tar"
        with open(path, "wb") as file:
            archive_tree(root, TarSink(file.fileno()))
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]
