"""Results as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable

from plugrun import __version__
from plugrun.matrix.cell import STATES, Result
from plugrun.matrix.logtail import tail


def json_report(results: Iterable[Result], command: Iterable[str]) -> str:
    """Return one object: the command, how many cells came to each state, and every cell."""
    results = list(results)
    states = [one.state for one in results]
    document = {
        "plugrun": __version__,
        "command": list(command),
        "ok": not any(one.bad for one in results),
        "counts": {state: states.count(state) for state in STATES},
        "cells": [
            {
                "name": one.cell.name,
                "axes": dict(one.cell.axes),
                "required": one.cell.required,
                "state": one.state,
                "reason": one.reason,
                "code": one.code,
                "began": one.began,
                "seconds": round(one.seconds, 3),
                "log": tail(one.log),
            }
            for one in results
        ],
    }
    return json.dumps(document, indent=1) + "\n"
