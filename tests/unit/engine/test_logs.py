"""Reading a log that is in parts, while it is written."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from plugrun.engine.logs import LogQuery, read_logs, read_output
from plugrun.engine.taskfile import watch_lock
from plugrun.errors import LogNotKept
from plugrun.model.upkeep import LogConfig
from plugrun.monitor.logfile import LogFile
from plugrun.store.locks import Locks

CONTAINER = SimpleNamespace(id="c", log=LogConfig())


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
    return [int(line.text) for line in read_logs(engine, CONTAINER, LogQuery(**how))]


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
    for line in read_logs(engine, CONTAINER, LogQuery(follow=True)):
        seen.append(int(line.text))
        turn.release()
    writer.join()
    assert seen == list(range(50))


def test_a_follower_that_lags_misses_only_what_is_dropped(engine, tmp_path):
    lock = engine.locks.exclusive(watch_lock("c"))
    log = LogFile(f"{tmp_path}/c-json.log", largest=300, files=3)
    log.write("stdout", b"0\n")
    following = read_logs(engine, CONTAINER, LogQuery(follow=True))
    assert next(following).text == b"0\n"
    for number in range(1, 9):  # three files, four lines each, hold them all
        log.write("stdout", b"%d\n" % number)
    log.close()
    lock.release()
    assert [int(line.text) for line in following] == list(range(1, 9))


def times(*seconds: int):
    """Return a log file whose lines are written at these times, and say them."""
    return [(f"2026-01-02T03:04:{second:02d}.000000000Z", second) for second in seconds]


@pytest.mark.parametrize(
    ("since", "until"), [(None, None), (3, None), (None, 3), (2, 4), (9, None)]
)
@pytest.mark.parametrize("tail", [None, 3])
def test_times(engine, tmp_path, since, until, tail):
    base = 1_767_323_040_000_000_000
    text = "".join(
        f'{{"log":"{second}\\n","stream":"stdout","time":"{time}"}}\n'
        for time, second in times(1, 2, 3, 3, 4, 5)
    )
    (tmp_path / "c-json.log").write_text(text)
    wanted = [second for _, second in times(1, 2, 3, 3, 4, 5)][-(tail or 6) :]
    wanted = [s for s in wanted if (since or 0) <= s <= (until or 99)]
    query = LogQuery(
        tail=tail,
        since_ns=None if since is None else base + since * 10**9,
        until_ns=None if until is None else base + until * 10**9,
    )
    assert [int(line.text) for line in read_logs(engine, CONTAINER, query)] == wanted
    shown = b"".join(text for _, text in read_output(engine, CONTAINER, query))
    assert shown == b"".join(b"%d\n" % second for second in wanted)


def test_following_ends_with_its_time(engine, tmp_path):
    """Nothing is written, and nobody closes the log."""
    lock = engine.locks.exclusive(watch_lock("c"))
    log = LogFile(f"{tmp_path}/c-json.log")
    until = time.time_ns() + 10**8
    assert list(read_logs(engine, CONTAINER, LogQuery(follow=True, until_ns=until))) == []
    assert time.time_ns() >= until
    log.close()
    lock.release()


def test_a_log_that_is_not_kept(engine):
    container = SimpleNamespace(id="c", log=LogConfig("none"))
    with pytest.raises(LogNotKept, match="configured logging driver does not support reading"):
        next(read_logs(engine, container, LogQuery()))


def test_blocks_of_any_size_hold_whole_lines(engine, tmp_path):
    data = b"".join(b"%d " % n * (n % 50) + b"\n" for n in range(5000))
    log = LogFile(f"{tmp_path}/c-json.log")
    for start in range(0, len(data), 10_000):
        log.write("stdout", data[start : start + 10_000])
    log.close()
    found = list(read_output(engine, CONTAINER, LogQuery()))
    assert b"".join(text for _, text in found) == data
    assert len(found) > 5
