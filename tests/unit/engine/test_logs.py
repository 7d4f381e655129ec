"""Reading a log that is in parts, while it is written."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from plugrun.engine.logs import read_logs
from plugrun.engine.taskfile import watch_lock
from plugrun.monitor.logfile import LogFile
from plugrun.store.locks import Locks

CONTAINER = SimpleNamespace(id="c")


@pytest.fixture
def engine(tmp_path):
    return SimpleNamespace(
        container_folder=lambda id: str(tmp_path), locks=Locks(f"{tmp_path}/locks")
    )


def write(tmp_path, count: int, largest: int = 1000) -> None:
    log = LogFile(f"{tmp_path}/c-json.log", largest=largest)
    for number in range(count):
        log.write("stdout", b"%d\n" % number)
    log.close()


def texts(engine, **how) -> list[int]:
    how = {"follow": False, "tail": None, **how}
    return [int(line.text) for line in read_logs(engine, CONTAINER, **how)]


@pytest.mark.parametrize("tail", [0, 1, 5, 12, 15, 19, 100])
@pytest.mark.parametrize("count", [0, 1, 12, 20])
def test_tail_reaches_into_the_older_part(engine, tmp_path, count, tail):
    write(tmp_path, count, largest=80 * 15)
    assert texts(engine, tail=tail) == list(range(count))[max(0, count - tail) :]


def test_both_parts_are_read_in_order(engine, tmp_path):
    write(tmp_path, 20, largest=80 * 15)
    assert (tmp_path / "c-json.log.1").exists()
    assert texts(engine) == list(range(20))


def test_following_goes_on_in_the_next_part(engine, tmp_path):
    """A writer that waits for its reader: nothing is missed, over many parts."""
    lock = engine.locks.exclusive(watch_lock("c"))
    log = LogFile(f"{tmp_path}/c-json.log", largest=300)
    turn, seen = threading.Semaphore(1), []

    def serve() -> None:
        for number in range(50):
            turn.acquire()
            log.write("stdout", b"%d\n" % number)
        turn.acquire()
        log.close()
        lock.release()

    writer = threading.Thread(target=serve)
    writer.start()
    for line in read_logs(engine, CONTAINER, True, None):
        seen.append(int(line.text))
        turn.release()
    writer.join()
    assert seen == list(range(50))
