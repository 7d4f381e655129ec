"""Docker's rules for starting a container again."""

from __future__ import annotations

import pytest
from plugrun.engine.restarting.again import next_delay
from plugrun.engine.restarting.rule import is_due
from plugrun.model.upkeep import RestartPolicy
from plugrun.monitor.exitfile import ExitFile

SECOND = 10**9


def ended(code: int, seconds: float = 1) -> ExitFile:
    return ExitFile(code, SECOND, SECOND + int(seconds * SECOND))


@pytest.mark.parametrize(
    ("policy", "code", "restarts", "due"),
    [
        (RestartPolicy(), 1, 0, False),
        (RestartPolicy("always"), 0, 1000, True),
        (RestartPolicy("unless-stopped"), 0, 0, True),
        (RestartPolicy("on-failure"), 0, 0, False),
        (RestartPolicy("on-failure"), 1, 1000, True),
        (RestartPolicy("on-failure", 3), 1, 2, True),
        (RestartPolicy("on-failure", 3), 1, 3, False),
    ],
)
def test_who_is_started_again(policy, code, restarts, due):
    assert is_due(policy, ended(code), restarts) is due


def test_twice_as_long_each_time_up_to_a_minute():
    delays, delay = [], 0
    for _ in range(12):
        delay = next_delay(delay, ended(1))
        delays.append(delay)
    assert delays[:4] == [100, 200, 400, 800]
    assert delays[-2:] == [60_000, 60_000]


def test_from_the_beginning_after_ten_seconds():
    assert next_delay(60_000, ended(1, 10)) == 100
    assert next_delay(800, ended(1, 9.9)) == 1600
