"""What a matrix shows: a table that moves on a terminal, lines elsewhere, and the result."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from plugrun.cli.table import table
from plugrun.matrix.cell import OURS, PASSED, SKIPPED, STATES, Cell, Result
from plugrun.matrix.logtail import tail
from plugrun.matrix.running import Runner

_UP = "\x1b[{}A"
_CLEAR = "\x1b[J"
_COLOURS = {PASSED: "32", SKIPPED: "33"}
_BAD = "31"
_PIECE = 1 << 16


class Lines:
    """A line for each beginning and each end, for logs and pipes."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._begun: set[str] = set()
        self._ended = 0

    def __call__(self, runner: Runner) -> None:
        """Write what is new."""
        for running in runner.running:
            name = running.place.cell.name
            if name not in self._begun:
                self._begun.add(name)
                self._write(f"{name}: started\n")
        for result in runner.results[self._ended :]:
            self._end(result)
        self._ended = len(runner.results)

    def _end(self, result: Result) -> None:
        self._write(f"{_sentence(result)}\n")


class Logs(Lines):
    """A line for each beginning, and at the end all that the cell wrote: two never mix."""

    def _end(self, result: Result) -> None:
        self._write(f"\n== {_sentence(result)}\n")
        if not result.log:
            return
        with open(result.log, encoding="utf-8", errors="replace", newline="") as log:
            text = ""
            while piece := log.read(_PIECE):
                text = piece
                self._write(text)
        if text and not text.endswith("\n"):
            self._write("\n")


class LiveTable:
    """One line a cell, written over itself; only as many as the terminal has."""

    def __init__(
        self, write: Callable[[str], None], cells: Sequence[Cell], size: os.terminal_size
    ) -> None:
        self._write = write
        self._cells = cells
        self._size = size
        self._shown = 0

    def __call__(self, runner: Runner) -> None:
        """Write the table anew where it stands."""
        lines = self._lines(runner)[: max(self._size.lines - 1, 1)]
        back = _UP.format(self._shown) if self._shown else ""
        text = "".join(f"{line[: self._size.columns - 1]}\n" for line in lines)
        self._write(f"{back}{_CLEAR}{text}")
        self._shown = len(lines)

    def _lines(self, runner: Runner) -> list[str]:
        ended = {result.cell.name: result for result in runner.results}
        running = {one.place.cell.name: one for one in runner.running}
        rows = []
        for cell in self._cells:
            if cell.name in ended:
                result = ended[cell.name]
                rows.append((cell.name, result.state, _seconds(result), result.reason))
            elif cell.name in running:
                rows.append((cell.name, "running", f"{running[cell.name].seconds:.0f} s", ""))
            else:
                rows.append((cell.name, "waiting", "", ""))
        # What has ended is read again in the result; what runs is what one looks for.
        rows.sort(key=lambda row: row[1] != "running")
        return table(("CELL", "STATE", "TIME", ""), rows).splitlines()


def result_table(results: Iterable[Result], *, colour: bool) -> str:
    """Return the table of all cells, with a column for each axis."""
    results = list(results)
    named = dict.fromkeys(axis for one in results for axis, _ in one.cell.axes)
    axes = [axis for axis in named if axis in OURS] + [axis for axis in named if axis not in OURS]
    header = ("CELL", *(axis.upper() for axis in axes), "TIME", "STATE", "WHY")
    rows = [
        (
            one.cell.name,
            *(one.cell.value(axis) or "-" for axis in axes),
            _seconds(one),
            one.state,
            _reason(one),
        )
        for one in results
    ]
    text = "".join(f"{line.rstrip()}\n" for line in table(header, rows).splitlines())
    return _coloured(text, results) if colour else text


def _coloured(text: str, results: Sequence[Result]) -> str:
    header, *lines = text.splitlines()
    done = [
        f"\x1b[{_COLOURS.get(one.state, _BAD)}m{line}\x1b[0m"
        for one, line in zip(results, lines, strict=True)
    ]
    return "\n".join((header, *done)) + "\n"


def summary(results: Iterable[Result], began: float) -> str:
    """Return one line: how many of each state, and how long it all took."""
    states = [one.state for one in results]
    parts = [f"{states.count(state)} {state}" for state in STATES if state in states]
    return f"{', '.join(parts) or 'no cell'} in {time.monotonic() - began:.1f} s"


def failure_log(result: Result) -> str:
    """Return what a cell wrote under a heading, the last of it if it is much."""
    text = tail(result.log)
    end = "" if text.endswith("\n") else "\n"
    return f"\n== {result.cell.name}: {result.reason}\n{text}{end}"


def _sentence(result: Result) -> str:
    text = f"{result.cell.name}: {result.state}"
    if result.state == SKIPPED:
        return f"{text} because {_reason(result)}"
    text += f" after {result.seconds:.1f} s"
    return text if result.state == PASSED else f"{text} ({result.reason})"


def _reason(result: Result) -> str:
    required = result.state == SKIPPED and result.bad
    return f"it is required, and {result.reason}" if required else result.reason


def _seconds(result: Result) -> str:
    return f"{result.seconds:.1f} s" if result.seconds else "-"
