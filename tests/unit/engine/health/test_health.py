"""What checks come to: the rules of Docker's HEALTHCHECK."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from plugrun.engine.health.probe import duration
from plugrun.engine.health.record import (
    Health,
    Probe,
    add_probe,
    begin_health,
    judged,
    milliseconds,
    probed_command,
    read_health,
)
from plugrun.model.record import replace
from plugrun.model.upkeep import HealthCheck

NS = 10**9
STARTED = 1000 * NS


def probe(code: int, second: int = 100) -> Probe:
    return Probe(STARTED + second * NS, STARTED + second * NS + 1, code, "")


def after(check: HealthCheck, *probes: Probe) -> list[tuple[str, int]]:
    health, found = Health("starting"), []
    for one in probes:
        health = judged(health, check, STARTED, one)
        found.append((health.status, health.streak))
    return found


def test_three_failures_in_a_row_are_unhealthy():
    codes = (1, 1, 0, 1, 2, -1, 1, 0)
    assert after(HealthCheck(), *(probe(code) for code in codes)) == [
        ("starting", 1),
        ("starting", 2),
        ("healthy", 0),
        ("healthy", 1),
        ("healthy", 2),
        ("unhealthy", 3),
        ("unhealthy", 4),
        ("healthy", 0),
    ]


def test_failures_count_after_the_start_period_or_a_first_success():
    check = HealthCheck(start_period_ns=10 * NS, retries=1)
    assert after(check, probe(1, 9), probe(1, 10)) == [("starting", 0), ("unhealthy", 1)]
    assert after(check, probe(0, 1), probe(1, 2)) == [("healthy", 0), ("unhealthy", 1)]


def test_the_last_five_are_kept():
    health = Health("starting")
    for number in range(8):
        health = judged(health, HealthCheck(), STARTED, probe(0, number))
    assert [one.start_ns for one in health.log] == [STARTED + n * NS for n in range(3, 8)]


@pytest.mark.parametrize(
    ("test", "command"),
    [
        ((), ()),
        (("NONE",), ()),
        (("CMD", "/bin/check", "-a"), ("/bin/check", "-a")),
        (("CMD-SHELL", "a && b"), ("/bin/sh", "-c", "a && b")),
        (("SOMETHING", "else"), ()),
    ],
)
def test_commands(test, command):
    assert probed_command(HealthCheck(test)) == command


def test_times():
    assert milliseconds(HealthCheck()) == (30_000, 5000, 0)
    check = HealthCheck(interval_ns=10**6, start_interval_ns=NS, start_period_ns=90 * NS)
    assert milliseconds(check) == (1, 1000, 90_000)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (NS, "1s"),
        (90 * NS, "1m30s"),
        (3 * NS // 2, "1.5s"),
        (250 * 10**6, "250ms"),
        (3600 * NS, "1h0m0s"),
    ],
)
def test_durations(ns, text):
    assert duration(ns) == text


def test_the_file(tmp_path):
    engine = SimpleNamespace(container_folder=lambda id: str(tmp_path))
    container = SimpleNamespace(id="c", health=HealthCheck(("CMD", "true")))
    assert read_health(engine, container, running=True) is None
    begin_health(engine, container)
    assert read_health(engine, container, running=True) == Health("starting")
    first = replace(probe(0), output='"é\n')
    health, is_new = add_probe(engine, container, STARTED, first)
    assert (health, is_new) == (Health("healthy", 0, (first,)), True)
    assert add_probe(engine, container, STARTED, probe(0))[1] is False
    found = read_health(engine, container, running=True)
    assert found == Health("healthy", 0, (first, probe(0)))
    assert read_health(engine, container, running=False).status == "unhealthy"
    begin_health(engine, container)
    assert read_health(engine, container, running=True) == Health("starting", 0, found.log)
    (tmp_path / "health").write_bytes(b"")
    assert read_health(engine, container, running=True) is None
