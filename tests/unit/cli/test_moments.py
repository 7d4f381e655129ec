"""Times as Docker takes them, compared with what its own client said."""

from __future__ import annotations

import os
import time

import pytest
from plugrun.cli.moments import parse_duration, parse_moment
from plugrun.errors import InvalidArgument

NS = 10**9
NOW = 1_795_234_883_000_000_000


@pytest.fixture(autouse=True)
def zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    os.environ.setdefault("TZ", "")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10m", NOW - 600 * NS),
        ("1h30m", NOW - 5400 * NS),
        (".5h", NOW - 1800 * NS),
        ("1.5s", NOW - 1_500_000_000),
        ("-5m", NOW + 300 * NS),
        ("0", NOW),
        ("5", 5 * NS),
        ("1.5", 1_500_000_000),
        ("1795234883.000000001", 1_795_234_883_000_000_001),
        ("2026-11-21T10:00:00Z", 1795255200 * NS),
        ("2026-11-21T10:00:00.25Z", 1795255200 * NS + NS // 4),
        ("2026-11-21T10:00:00+02:00", 1795248000 * NS),
        ("2026-11-21T10:00:00", 1795251600 * NS),
        ("2026-11-21T10:00", 1795251600 * NS),
        ("2026-11-21T10", 1795251600 * NS),
        ("2026-11-21", 1795215600 * NS),
    ],
)
def test_times(text, wanted):
    assert parse_moment(text, NOW) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", 'failed to parse value as time or duration: "abc"'),
        ("10x", 'failed to parse value as time or duration: "10x"'),
        ("1.5.6", 'failed to parse value as time or duration: "1.5.6"'),
        ("1h30", 'failed to parse value as time or duration: "1h30"'),
        ("2026-13-45", 'parsing time "2026-13-45": month out of range'),
        ("2026-11-21T25:00", 'parsing time "2026-11-21T25:00": hour out of range'),
    ],
)
def test_what_is_no_time(text, message):
    with pytest.raises(InvalidArgument) as caught:
        parse_moment(text, NOW)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["", "-", "1", "m", "1.2.3s", "1d", "s1"])
def test_what_is_no_duration(text):
    with pytest.raises(InvalidArgument):
        parse_duration(text)


@pytest.mark.parametrize(("text", "year"), [("0001-01-01", 1), ("9999-12-31T23:59:59", 10000)])
def test_both_ends_of_the_calendar(text, year):
    seconds = parse_moment(text, NOW) // NS
    assert abs(seconds - (year - 1970) * 365.2425 * 86400) < 3 * 86400


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 5000 + "s", "0." + "9" * 5000 + "h"])
def test_numbers_too_long_to_be_read(text):
    with pytest.raises(InvalidArgument):
        parse_moment(text, NOW)
