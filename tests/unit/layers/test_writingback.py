"""What is written goes to its disk meanwhile, and a disk that fails is told of."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

import pytest
from plugrun.layers.writingback import WritingBack
from plugrun.linux import filesystem

PATIENCE = 60


@pytest.fixture
def files(tmp_path) -> Iterator[tuple[int, int]]:
    """Two on one file system."""
    found = tuple(os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in "ab")
    yield found
    for fd in found:
        os.close(fd)


def test_it_syncs_each_file_system_once_a_time_until_it_is_left(files, monkeypatch):
    seen: list[int] = []
    often = threading.Event()

    def sync(fd: int) -> None:
        seen.append(fd)
        if len(seen) == 3:
            often.set()

    monkeypatch.setattr(filesystem, "syncfs", sync)
    with WritingBack(files):
        assert often.wait(PATIENCE)
    count = len(seen)
    assert len(set(seen)) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "write back"]
    assert len(seen) == count


def failing(monkeypatch) -> threading.Event:
    failed = threading.Event()

    def sync(fd: int) -> None:
        failed.set()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(filesystem, "syncfs", sync)
    return failed


def test_a_disk_that_fails_is_told_of(files, monkeypatch):
    failed = failing(monkeypatch)
    with pytest.raises(OSError, match="Input/output"), WritingBack(files):
        assert failed.wait(PATIENCE)


def test_another_error_goes_first(files, monkeypatch):
    failed = failing(monkeypatch)
    with pytest.raises(KeyError), WritingBack(files):
        assert failed.wait(PATIENCE)
        raise KeyError
