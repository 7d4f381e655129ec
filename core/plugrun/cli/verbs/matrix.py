"""``plugrun matrix``."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plugrun.cli import output
from plugrun.cli.matrixviews import Lines, LiveTable, Logs, failure_log, result_table, summary
from plugrun.cli.options import Parsed
from plugrun.cli.table import table
from plugrun.config import load_settings
from plugrun.engine.reaper import Reaper
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument, NotRoot, UsageError
from plugrun.matrix.cell import Cell, Matrix, Result
from plugrun.matrix.emit import FORMS, emit
from plugrun.matrix.outlets import check_file, check_folder
from plugrun.matrix.reading import doubtful
from plugrun.matrix.running import Limits, Runner
from plugrun.matrix.selection import Wanted, select
from plugrun.matrix.workplace import Workplace, prepare

_INTERRUPTED = 130


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Run the cells; return 0 if all that ran passed, 1 if not, 130 if it was interrupted.

    What keeps the matrix itself from running is 125, as in ``plugrun run``.
    """
    v = parsed.values
    limits = _limits(v)
    wanted, args = _wanted(v, parsed.args)
    load_settings(options.config, options.profile, os.environ, os.getcwd())
    matrix, cells = select(wanted, options.config, os.environ, elsewhere=bool(v["emit"]))
    command = args or matrix.command
    for warning in doubtful(axis for cell in cells for axis, _ in cell.axes):
        output.error(f"plugrun: warning: {warning}")
    if v["emit"]:
        if v["emit"] not in FORMS:
            raise UsageError(f'invalid --emit "{v["emit"]}": one of {", ".join(FORMS)}')
        if v["shard"]:
            raise UsageError("--emit and --shard cannot be used together: each job is a shard")
        return _emit(cells, v["emit"], wanted, command)
    if v["list"]:
        rows = [(c.name, " ".join(f"{a}={x}" for a, x in c.axes)) for c in cells]
        output.write(table(("CELL", "AXES"), rows))
        return 0
    if not command:
        raise UsageError('"plugrun matrix" needs a command: plugrun matrix … -- COMMAND [ARG...]')
    if os.geteuid() != 0:
        raise NotRoot("plugrun needs root: it mounts file systems and makes namespaces")
    _check_outlets(v)
    return _run(options, v, limits, matrix, cells, command)


def _emit(cells: Sequence[Cell], form: str, wanted: Wanted, command: Sequence[str]) -> int:
    try:
        output.write(emit(cells, form, wanted.words, command))
    except InvalidArgument as error:
        raise UsageError(error.message, hint=error.hint) from None
    return 0


def _wanted(v: Mapping[str, Any], args: tuple[str, ...]) -> tuple[Wanted, tuple[str, ...]]:
    """Return what the cells are and the command; what a shell made of ``--profiles *.yaml`` is
    meant so."""
    profiles = tuple(v["profiles"])
    if profiles and "--" in args:
        profiles, args = (*profiles, *args[: args.index("--")]), args[args.index("--") + 1 :]
    wanted = Wanted(
        v["matrix"], profiles, tuple(v["include"]), tuple(v["exclude"]), v["require"], v["shard"]
    )
    return wanted, args


def _limits(v: Mapping[str, Any]) -> Limits:
    jobs = len(os.sched_getaffinity(0)) if v["jobs"] is None else v["jobs"]
    timeout = 0 if v["timeout"] is None else v["timeout"]
    for name, value, least in (
        ("jobs", jobs, 1),
        ("timeout", timeout, 0 if v["timeout"] is None else 1),
        ("grace", v["grace"], 0),
    ):
        if value < least:
            raise UsageError(f"invalid --{name} {value}: it must be at least {least}")
    return Limits(jobs, float(timeout), v["fail_fast"], float(v["grace"]))


def _run(
    options: GlobalOptions,
    v: Mapping[str, Any],
    limits: Limits,
    matrix: Matrix,
    cells: tuple[Cell, ...],
    command: tuple[str, ...],
) -> int:
    began = time.monotonic()
    top = tempfile.mkdtemp(prefix="plugrun-matrix-", dir=v["roots"] or None)
    reaper = Reaper(top)
    try:
        places = [prepare(cell, matrix, top, options.config, os.environ) for cell in cells]
        runner = Runner(places, command, limits, reaper)
        ended = runner.run(_board([place.cell for place in places], print_logs=v["print_logs"]))
        results = _in_order(places, ended)
        said = summary(results, began)
        _show(results, said, logs=not v["print_logs"])
        _write_reports(v, results, command, said)
    finally:
        code = reaper.finish()
    if code:
        output.error(f"plugrun: not all roots below {top} could be reset")
    if runner.interrupted and not v["fail_fast"]:
        return _INTERRUPTED
    return 1 if code or any(one.bad for one in results) else 0


def _check_outlets(v: Mapping[str, Any]) -> None:
    """Refuse now what would be lost when all cells have run."""
    for option in ("html", "json", "junit"):
        if v[option]:
            check_file(option, v[option])
    if v["logs"]:
        check_folder("logs", v["logs"])


def _board(cells: list[Cell], *, print_logs: bool) -> Callable[[Runner], None]:
    def write(text: str) -> None:
        output.write(text)
        output.flush()

    if print_logs:
        return Logs(write)
    if sys.stdout.isatty():
        return LiveTable(write, cells, os.get_terminal_size(sys.stdout.fileno()))
    return Lines(write)


def _in_order(places: list[Workplace], ended: list[Result]) -> list[Result]:
    by_name = {result.cell.name: result for result in ended}
    return [by_name[place.cell.name] for place in places]


def _show(results: list[Result], said: str, *, logs: bool) -> None:
    for result in results:
        if logs and result.bad and result.log:
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
