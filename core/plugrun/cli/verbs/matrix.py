"""``plugrun matrix``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from plugrun.cli import output
from plugrun.cli.matrixviews import Lines, LiveTable, failure_log, result_table, summary
from plugrun.cli.options import Parsed
from plugrun.cli.table import table
from plugrun.engine.reaper import Reaper
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument, NotRoot, UsageError
from plugrun.matrix.cell import Cell, Matrix, Result
from plugrun.matrix.emit import FORMS, emit
from plugrun.matrix.plan import cells_of, shard
from plugrun.matrix.profiles import profile_cells
from plugrun.matrix.reading import read_matrix
from plugrun.matrix.running import Limits, Runner
from plugrun.matrix.workplace import Workplace, prepare
from plugrun.model.record import replace

_INTERRUPTED = 130


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Run the cells; return 0 if all that ran passed, 1 if not, 130 if it was interrupted."""
    v = parsed.values
    matrix, cells, command = _plan(options, v, parsed.args)
    if v["emit"]:
        if v["emit"] not in FORMS:
            raise InvalidArgument(f'invalid --emit "{v["emit"]}": one of {", ".join(FORMS)}')
        output.write(emit(cells, v["emit"], _said(v), command))
        return 0
    if v["list"]:
        rows = [(c.name, " ".join(f"{a}={x}" for a, x in c.axes)) for c in cells]
        output.write(table(("CELL", "AXES"), rows))
        return 0
    if not command:
        raise UsageError('"plugrun matrix" needs a command: plugrun matrix … -- COMMAND [ARG...]')
    if os.geteuid() != 0:
        raise NotRoot("plugrun needs root: it mounts file systems and makes namespaces")
    return _run(options, v, matrix, cells, command)


def _plan(
    options: GlobalOptions, v: Mapping[str, Any], args: tuple[str, ...]
) -> tuple[Matrix, tuple[Cell, ...], tuple[str, ...]]:
    """Return what is to run where; what a shell made of ``--profiles *.yaml`` is meant so."""
    profiles = tuple(v["profiles"])
    if profiles and "--" in args:
        profiles, args = (*profiles, *args[: args.index("--")]), args[args.index("--") + 1 :]
    matrix = read_matrix(v["matrix"]) if v["matrix"] else Matrix()
    cells: tuple[Cell, ...] = ()
    if profiles:
        cells += profile_cells(profiles, options.config, os.environ, os.getcwd())
    if v["matrix"]:
        cells += cells_of(matrix)
    if not cells:
        raise UsageError("name the cells: --profiles, --matrix, or both")
    if v["require"]:
        cells = tuple(replace(cell, required=True) for cell in cells)
    if v["shard"]:
        cells = shard(cells, v["shard"])
    return matrix, cells, args or matrix.command


def _said(v: Mapping[str, Any]) -> list[str]:
    """Return what makes the same cells again, for the jobs of another system."""
    words = [word for profile in v["profiles"] for word in ("--profiles", profile)]
    return [*words, *(("--matrix", v["matrix"]) if v["matrix"] else ())]


def _run(
    options: GlobalOptions,
    v: Mapping[str, Any],
    matrix: Matrix,
    cells: tuple[Cell, ...],
    command: tuple[str, ...],
) -> int:
    began = time.monotonic()
    top = tempfile.mkdtemp(prefix="plugrun-matrix-", dir=v["roots"] or None)
    reaper = Reaper(top)
    try:
        places = [prepare(cell, matrix, top, options.config, os.environ) for cell in cells]
        limits = Limits(v["jobs"] or os.cpu_count() or 1, float(v["timeout"]), v["fail_fast"])
        runner = Runner(places, command, limits, reaper)
        ended = runner.run(_board([place.cell for place in places]))
        results = _in_order(places, ended)
        said = summary(results, began)
        _show(results, said)
        _write_reports(v, results, command, said)
    finally:
        code = reaper.finish()
    if code:
        output.error(f"plugrun: not all roots below {top} could be reset")
    if runner.interrupted and not v["fail_fast"]:
        return _INTERRUPTED
    return 1 if code or any(one.bad for one in results) else 0


def _board(cells: list[Cell]) -> Callable[[Runner], None]:
    def write(text: str) -> None:
        output.write(text)
        output.flush()

    if sys.stdout.isatty():
        return LiveTable(write, cells, os.get_terminal_size(sys.stdout.fileno()))
    return Lines(write)


def _in_order(places: list[Workplace], ended: list[Result]) -> list[Result]:
    by_name = {result.cell.name: result for result in ended}
    return [by_name[place.cell.name] for place in places]


def _show(results: list[Result], said: str) -> None:
    for result in results:
        if result.bad and result.log:
            output.write(failure_log(result))
    output.write("\n" + result_table(results, colour=sys.stdout.isatty()))
    output.line(said)
    output.flush()


def _write_reports(
    v: Mapping[str, Any], results: list[Result], command: tuple[str, ...], said: str
) -> None:
    if v["logs"]:
        os.makedirs(v["logs"], exist_ok=True)
        for one in results:
            if one.log:
                shutil.copyfile(one.log, f"{v['logs']}/{one.cell.name}.log")
    if v["junit"]:
        from plugrun.matrix.junit import junit_xml

        _write(v["junit"], junit_xml(results, command))
    if v["json"]:
        from plugrun.matrix.jsonreport import json_report

        _write(v["json"], json_report(results, command))
    if v["html"]:
        from plugrun.matrix.htmlreport import html_report

        _write(v["html"], html_report(results, command, said))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
