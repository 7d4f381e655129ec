"""The record of events keeps what is recent, whoever writes it, and is never seen in part."""

from __future__ import annotations

import multiprocessing
import os
import threading
from types import SimpleNamespace

import pytest
from plugrun.engine import eventlog
from plugrun.engine.eventlog import current_events, older_events, record_event
from plugrun.engine.events import read_events
from plugrun.model.event import Event


def event(number: int, **attributes: str) -> Event:
    return Event("container", "start", f"id{number}", number, attributes)


def read(root, since: int = 0, until: int | None = 10**9):
    return list(read_events(SimpleNamespace(root=str(root)), since, until))


def test_what_is_recorded_is_read(tmp_path):
    record_event(str(tmp_path), event(1, name="a", label='"quoted" ü\n'))
    record_event(str(tmp_path), event(2))
    assert read(tmp_path) == [event(1, name="a", label='"quoted" ü\n'), event(2)]
    assert read(tmp_path, since=2) == [event(2)]
    assert read(tmp_path, until=1) == [event(1, name="a", label='"quoted" ü\n')]


def test_it_is_bounded_and_keeps_the_newest(tmp_path, monkeypatch):
    monkeypatch.setattr(eventlog, "LARGEST", 1000)
    for number in range(1, 500):
        record_event(str(tmp_path), event(number))
    sizes = [os.path.getsize(path(str(tmp_path))) for path in (current_events, older_events)]
    assert all(0 < size <= 1000 for size in sizes)
    numbers = [found.time_ns for found in read(tmp_path)]
    assert numbers == list(range(numbers[0], 500))
    assert len(numbers) > 20


def write_many(root: str, first: int) -> None:
    eventlog.LARGEST = 50_000
    for number in range(first, first + 300):
        record_event(root, event(number, padding="x" * 20))


def test_racing_writers_lose_nothing(tmp_path):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_many, args=(str(tmp_path), n * 1000)) for n in range(1, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    wanted = {n * 1000 + i for n in range(1, 5) for i in range(300)}
    numbers = [found.time_ns for found in read(tmp_path)]
    assert len(numbers) == len(set(numbers))
    # 1200 events of some 70 bytes fill one file and begin another.
    assert os.path.exists(older_events(str(tmp_path)))
    assert set(numbers) == wanted


def test_a_line_cut_short_is_left_out(tmp_path):
    record_event(str(tmp_path), event(1))
    with open(current_events(str(tmp_path)), "ab") as file:
        file.write(b'[5,"container","st\n{}\n[1]\n')
    record_event(str(tmp_path), event(2))
    assert read(tmp_path) == [event(1), event(2)]


def test_a_disk_that_cannot_be_written_fails_nobody(tmp_path):
    (tmp_path / "events").write_text("in the way")
    record_event(str(tmp_path), event(1))
    assert (tmp_path / "events").read_text() == "in the way"


@pytest.mark.parametrize("largest", [eventlog.LARGEST, 2000])
def test_a_follower_sees_what_comes_over_files(tmp_path, monkeypatch, largest):
    monkeypatch.setattr(eventlog, "LARGEST", largest)
    following = read_events(SimpleNamespace(root=str(tmp_path)), 0, None)
    record_event(str(tmp_path), event(1))
    assert next(following).time_ns == 1
    # It is never more than a few events behind, or it would miss what is dropped.
    for number in range(2, 200):
        writer = threading.Thread(target=record_event, args=(str(tmp_path), event(number)))
        writer.start()
        assert next(following).time_ns == number
        writer.join()
    following.close()
