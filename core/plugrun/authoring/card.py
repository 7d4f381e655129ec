"""The capability card: what a plugin is, what it can do and how it was found out, to publish."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from plugrun import __version__
from plugrun.authoring.check import FAILED, PASSED, SKIPPED, Checked, Verdict

MARKDOWN = "markdown"
JSON = "json"
FORMS = (MARKDOWN, JSON)


def card(checked: Checked, form: str) -> str:
    """Return the card in one of ``FORMS``."""
    return _json(checked) if form == JSON else _markdown(checked)


def _markdown(checked: Checked) -> str:
    plugin = checked.plugin
    rows = [
        ("distribution", f"{plugin.distribution} {plugin.version}"),
        ("plugin API", f"{plugin.api_version}"),
        ("contract", _sentence(checked)),
        ("capabilities", ", ".join(f"`{word}`" for word in plugin.capabilities) or "none"),
        ("works here", "yes" if plugin.works else f"no: {plugin.reason}"),
        *((name, value) for name, value in plugin.details),
        ("checked on", _machine()),
        ("plugrun", __version__),
    ]
    lines = [f"## {plugin.kind} `{plugin.name}`", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in rows]
    for state in (FAILED, SKIPPED):
        lines += _listed(state, [v for v in checked.verdicts if v.state == state])
    return "\n".join(lines) + "\n"


def _sentence(checked: Checked) -> str:
    if checked.broken:
        return "the suite could not be run"
    counts = {state: sum(v.state == state for v in checked.verdicts) for state in _STATES}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{'kept' if checked.ok else 'NOT kept'}: {said}"


_STATES = (PASSED, FAILED, SKIPPED)


def _listed(state: str, verdicts: Sequence[Verdict]) -> list[str]:
    if not verdicts:
        return []
    heading = ["", f"| {state} | why |", "|---|---|"]
    return heading + [f"| `{v.name}` | {_cell(v.reason)} |" for v in verdicts]


def _cell(text: str) -> str:
    """Keep a text in one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _machine() -> str:
    name = os.uname()
    return f"Linux {name.release} {name.machine}"


def _json(checked: Checked) -> str:
    plugin = checked.plugin
    document: dict[str, Any] = {
        "kind": plugin.kind,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "api_version": plugin.api_version,
        "capabilities": list(plugin.capabilities),
        "works": plugin.works,
        "reason": plugin.reason,
        "details": dict(plugin.details),
        "machine": _machine(),
        "plugrun": __version__,
        "ok": checked.ok,
        "tests": [{"name": v.name, "state": v.state, "reason": v.reason} for v in checked.verdicts],
    }
    return json.dumps(document, indent=1) + "\n"
