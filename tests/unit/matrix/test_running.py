"""Cells at work: what a signal meets."""

import os
import signal

import pytest
from plugrun.matrix.cell import INTERRUPTED, Cell
from plugrun.matrix.running import Limits, Runner
from plugrun.matrix.workplace import Workplace


class Reaper:
    """Stands for the process that cleans up, and interrupts the matrix when told of something."""

    def __init__(self, moment, number):
        self._moment = moment
        self._number = number

    def watch_root(self, *_):
        self._come("root")

    def watch_group(self, _):
        self._come("group")

    def _come(self, moment):
        if moment == self._moment:
            self._moment = ""
            os.kill(os.getpid(), self._number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["root", "group"])
def test_a_cell_that_is_just_being_started_is_ended_too(tmp_path, moment, number):
    places = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        environ = {"PATH": os.environ["PATH"]}
        cell = Cell(name, (("a", name),), through=("env",))
        places.append(Workplace(cell, str(tmp_path / name), environ))
    runner = Runner(places, ["sleep", "1000"], Limits(jobs=1), Reaper(moment, number))
    one, two = runner.run(lambda _: None)
    assert (one.state, one.code, one.reason) == (
        INTERRUPTED,
        128 + number,
        "the matrix was stopped",
    )
    assert (two.state, two.reason) == (INTERRUPTED, "never started")
    assert runner.interrupted
