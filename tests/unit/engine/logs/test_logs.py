"""Reading a log that is in parts, while it is written."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from plugrun.engine.logs.logs import LogQuery, read_logs, read_output
from plugrun.engine.taskfile import served_by, write_task_file
from plugrun.errors import LogNotKept
from plugrun.model.upkeep import LogConfig
from plugrun.monitor.logfile import LogFile

CONTAINER = SimpleNamespace(id="c", log=LogConfig())


@pytest.fixture
def engine(tmp_path):
    return SimpleNamespace(
        container_folder=lambda id: str(tmp_path), task_folder=lambda id: f"{tmp_path}/task"
    )


@pytest.fixture
def monitor(engine):
    """This process serves the container, until it says that it does no more."""
    folder = engine.task_folder("c")
    write_task_file(folder, served_by(os.getpid()))
    return SimpleNamespace(end=lambda: os.unlink(f"{folder}/task"))


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


def test_following_goes_on_in_the_next_part(engine, tmp_path, monitor):
    """A writer that waits for its reader: nothing is missed, over many parts."""
    log = LogFile(f"{tmp_path}/c-json.log", largest=300)
    turn, seen = threading.Semaphore(1), []

    def serve() -> None:
        for number in range(50):
            turn.acquire()
            log.write("stdout", b"%d\n" % number)
        turn.acquire()
        log.close()
        monitor.end()

    writer = threading.Thread(target=serve)
    writer.start()
    for line in read_logs(engine, CONTAINER, LogQuery(follow=True)):
        seen.append(int(line.text))
        turn.release()
    writer.join()
    assert seen == list(range(50))


def test_a_follower_that_lags_misses_only_what_is_dropped(engine, tmp_path, monitor):
    log = LogFile(f"{tmp_path}/c-json.log", largest=300, files=3)
    log.write("stdout", b"0\n")
    following = read_logs(engine, CONTAINER, LogQuery(follow=True))
    assert next(following).text == b"0\n"
    for number in range(1, 9):  # three files, four lines each, hold them all
        log.write("stdout", b"%d\n" % number)
    log.close()
    monitor.end()
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


def test_following_ends_with_its_time(engine, tmp_path, monitor):
    """Nothing is written, and nobody closes the log."""
    log = LogFile(f"{tmp_path}/c-json.log")
    until = time.time_ns() + 10**8
    assert list(read_logs(engine, CONTAINER, LogQuery(follow=True, until_ns=until))) == []
    assert time.time_ns() >= until
    log.close()
    monitor.end()


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


def test_following_goes_on_with_the_next_life(engine, tmp_path, monitor):
    """Another program of the same monitor opens the log again, as after a restart by policy."""
    first = LogFile(f"{tmp_path}/c-json.log")
    first.write("stdout", b"1\n")
    following = read_logs(engine, CONTAINER, LogQuery(follow=True))
    assert next(following).text == b"1\n"
    first.close()
    second = LogFile(f"{tmp_path}/c-json.log")
    writer = threading.Thread(target=lambda: second.write("stdout", b"2\n"))
    writer.start()
    assert next(following).text == b"2\n"
    writer.join()
    second.close()
    monitor.end()
    assert list(following) == []


def test_following_ends_with_a_monitor_that_was_killed(engine, tmp_path):
    log = f"{tmp_path}/c-json.log"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        LogFile(log).write("stdout", b"1\n")
        os.write(writer, b"x")
        signal.pause()
        os._exit(0)
    os.read(reader, 1)
    write_task_file(engine.task_folder("c"), served_by(child))
    following = read_logs(engine, CONTAINER, LogQuery(follow=True))
    assert next(following).text == b"1\n"
    os.kill(child, signal.SIGKILL)
    assert list(following) == []
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)


def test_following_ends_when_the_container_is_removed(engine, tmp_path, monitor):
    log = LogFile(f"{tmp_path}/c-json.log")
    log.write("stdout", b"1\n")
    following = read_logs(engine, CONTAINER, LogQuery(follow=True))
    assert next(following).text == b"1\n"
    log.close()
    os.unlink(f"{tmp_path}/c-json.log")
    monitor.end()
    assert list(following) == []
