"""The timer of health checks, with programs in the place of probes."""

from __future__ import annotations

import os
import select
import time

import pytest
from plugrun.monitor.plan import WatchPlan
from plugrun.monitor.probing import STILL_STARTING, Prober

SHELL = "/bin/sh"


def plan(script: str = "exit 0", **more) -> WatchPlan:
    times = {"probe_ms": 1, "probe_early_ms": 1, "probe_period_ms": 0, **more}
    probe = (SHELL, "-c", script) if script else ()
    return WatchPlan(0, time.time_ns(), "", "", "", (), probe=probe, **times)


def wait_due(prober: Prober) -> None:
    while prober.patience:
        select.select([], [], [], prober.patience / 1000)
    assert prober.patience == 0


def run_one(prober: Prober) -> None:
    wait_due(prober)
    assert prober.probe_if_due()
    # While one runs no other is due.
    assert prober.patience is None
    assert not prober.probe_if_due()
    select.select([prober.fd], [], [])
    prober.ended()
    assert (prober.fd, prober.pid) == (-1, 0)


def test_one_after_the_other(tmp_path):
    prober = Prober(plan(f"echo x >> {tmp_path}/log"))
    for _ in range(3):
        run_one(prober)
    assert (tmp_path / "log").read_text() == "x\n" * 3


def test_without_a_check_nothing_is_due():
    prober = Prober(plan(""))
    assert prober.patience is None
    assert not prober.probe_if_due()
    prober.stop()


@pytest.mark.parametrize(
    ("code", "period", "patience"),
    [(STILL_STARTING, 10**6, 2000), (STILL_STARTING, 0, 5000), (0, 10**6, 5000), (9, 10**6, 5000)],
)
def test_the_time_of_the_next(code, period, patience):
    prober = Prober(plan())
    times = {"probe_ms": 5000, "probe_early_ms": 2000, "probe_period_ms": period}
    prober._plan = plan(f"exit {code}", **times)
    run_one(prober)
    assert patience - 1000 < prober.patience <= patience


def test_what_is_frozen_is_not_probed(tmp_path):
    freezer = tmp_path / "freezer.state"
    prober = Prober(plan("true", freezer=str(freezer)))
    for state in ("FROZEN\n", "FREEZING\n", "1\n"):
        freezer.write_text(state)
        wait_due(prober)
        assert not prober.probe_if_due()
    freezer.write_text("THAWED\n")
    run_one(prober)
    freezer.write_text("0\n")
    run_one(prober)


def test_stopping_ends_what_runs():
    prober = Prober(plan("sleep 1000"))
    wait_due(prober)
    assert prober.probe_if_due()
    pid = prober.pid
    prober.stop()
    assert not os.path.exists(f"/proc/{pid}")
    assert prober.patience > 10**9
    assert not prober.probe_if_due()
    # What a container had written is read after its end, by a poll with this.
    reader, writer = os.pipe()
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    os.write(writer, b"late")
    assert waiting.poll(prober.patience) == [(reader, select.POLLIN)]
    os.close(reader)
    os.close(writer)


def test_one_that_runs_already_is_taken_over():
    first = Prober(plan("exit 3"))
    wait_due(first)
    assert first.probe_if_due()
    second = Prober(plan("exit 3", probing=first.pid))
    assert second.patience is None
    select.select([second.fd], [], [])
    second.ended()
    assert second.patience is not None
    os.close(first.fd)
