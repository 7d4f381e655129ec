"""``plugrun system check``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.engine.check.check import Checked, check
from plugrun.engine.engine import open_configured
from plugrun.engine.request import GlobalOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TABLE = "{{.What}}\t{{.Where}}\t{{.Why}}\t{{.Remedy}}"
_HEADERS = {
    "What": "WHAT",
    "Where": "WHERE",
    "Why": "WHY",
    "Remedy": "REMEDY",
    "Repairable": "REPAIRABLE",
    "Repaired": "REPAIRED",
    "Error": "ERROR",
}


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what is wrong, a line each, and a summary.

    Return 0 if nothing is (or, with ``--repair``, nothing is left), else 1.
    """
    v = parsed.values
    engine = open_configured(options)
    engine.may_use_reserve = True
    done = []
    for one in check(engine, quick=v["quick"], repair=v["repair"]):
        done.append(one)
        if not v["format"]:
            output.line(_line(one, repair=v["repair"]))
            output.flush()
    if v["format"]:
        output.write(render(v["format"], _TABLE, _HEADERS, [_row(one) for one in done]))
    else:
        output.line(_summary(done, repair=v["repair"]))
    return 1 if any(not one.repaired for one in done) else 0


def _line(one: Checked, *, repair: bool) -> str:
    found = one.finding
    if one.repaired:
        what = f"repaired: {found.remedy}"
    elif one.error:
        what = f"not repaired: {one.error}"
    elif found.repairable:
        what = f"--repair: {found.remedy}"
    else:
        what = f"to do: {found.remedy}" if found.remedy else "nothing can be done"
    return f"{found.what}: {found.where}: {found.why} [{what}]"


def _summary(done: list[Checked], *, repair: bool) -> str:
    if not done:
        return "Nothing is wrong."
    count = len(done)
    text = f"{count} finding{'' if count == 1 else 's'}"
    if repair:
        repaired = sum(one.repaired for one in done)
        return f"{text}, {repaired} repaired, {count - repaired} left."
    able = sum(one.finding.repairable for one in done)
    return f"{text}, {able} of them for plugrun system check --repair."


def _row(one: Checked) -> dict[str, Any]:
    found = one.finding
    return {
        "What": found.what,
        "Where": found.where,
        "Why": found.why,
        "Remedy": found.remedy,
        "Repairable": "true" if found.repairable else "false",
        "Repaired": "true" if one.repaired else "false",
        "Error": one.error,
    }
