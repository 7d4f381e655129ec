"""The cells as another CI system's job matrix, so that it spreads them over its machines."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import yaml

from plugrun.errors import InvalidArgument
from plugrun.matrix.cell import Cell

GITHUB = "github"
GITLAB = "gitlab"
JSON = "json"
FORMS = (GITHUB, GITLAB, JSON)
# Jobs of one matrix that each of them takes, by its manual.
_MOST = {GITHUB: 256, GITLAB: 200}


def emit(
    cells: Sequence[Cell], form: str, arguments: Sequence[str], command: Sequence[str] = ()
) -> str:
    """Return the cells in one of ``FORMS``.

    Each cell is a shard of the whole: ``arguments`` are what was said beside it, ``command`` what
    the job is to run, and ``--shard i/n`` runs just that cell on whatever machine has it. GitHub's
    is the value of ``strategy.matrix`` on one line, as ``fromJSON`` wants it from a job's output;
    GitLab's is a job with ``parallel: matrix:``. InvalidArgument if that system takes no such
    number of jobs.
    """
    most = _MOST.get(form, len(cells))
    if len(cells) > most:
        raise InvalidArgument(
            f"{form} takes {most} jobs of a matrix, and there are {len(cells)} cells",
            hint="leave some out (--exclude), or run several of them in a job: --shard i/n",
        )
    jobs = [_job(cell, number, len(cells)) for number, cell in enumerate(cells, 1)]
    if form == GITHUB:
        return json.dumps({"include": jobs}) + "\n"
    if form == JSON:
        return json.dumps(jobs, indent=1) + "\n"
    return _gitlab(jobs, arguments, command)


def _job(cell: Cell, number: int, count: int) -> dict[str, str]:
    # An axis of the same name as one of the job's own is left to its cell's name.
    own = {"cell": cell.name, "shard": f"{number}/{count}"}
    return {"cell": cell.name, **dict(cell.axes), **own}


def _gitlab(
    jobs: Sequence[dict[str, str]], arguments: Sequence[str], command: Sequence[str]
) -> str:
    rows = [{"CELL": job["cell"], "SHARD": job["shard"]} for job in jobs]
    said = shlex.join(arguments)
    last = f" -- {shlex.join(command)}" if command else ""
    document = {
        "plugrun-matrix": {
            "parallel": {"matrix": rows},
            "script": [f"plugrun matrix {said} --shard $SHARD --junit junit.xml{last}"],
            "artifacts": {"when": "always", "reports": {"junit": "junit.xml"}},
        }
    }
    return str(yaml.safe_dump(document, sort_keys=False, width=1000))
