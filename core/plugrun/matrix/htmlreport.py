"""Results as one HTML page that needs nothing else: a grid of cells, and each one's log.

Whatever cells are called and have written is text in it. That is escaped, and should an escape be
missing one day, the page's own policy (CSP, W3C) lets no script run but the page's and nothing be
fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence

from plugrun import __version__
from plugrun.matrix.cell import STATES, Result
from plugrun.matrix.htmlpage import SCRIPT, STYLE
from plugrun.matrix.logtail import readable, tail

_Row = tuple[str, ...]


def html_report(results: Iterable[Result], command: Iterable[str], summary: str) -> str:
    """Return the page. The first cell that makes the matrix fail shows its log at once."""
    results = list(results)
    words = _text(" ".join(command))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{words}: {_text(summary)}</title><style>{STYLE}</style>"
        "<noscript><style>section[hidden] { display: block; }</style></noscript></head><body>"
        f"<h1>plugrun matrix <code>{words}</code></h1>"
        f'<p class="quiet">{_text(summary)}, plugrun {__version__}</p>'
        f"{_counts(results)}{_grid(results)}{''.join(map(_log, range(len(results)), results))}"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _text(text: str) -> str:
    return html.escape(readable(text))


def _kind(state: str) -> str:
    assert state in STATES
    return state.replace(" ", "-")


def _counts(results: Sequence[Result]) -> str:
    states = [one.state for one in results]
    items = "".join(
        f'<li class="badge {_kind(state)}">{states.count(state)} {state}</li>'
        for state in STATES
        if state in states
    )
    return f'<ul class="counts">{items}</ul>'


def _grid(results: Sequence[Result]) -> str:
    """Lay the cells out: the values of one axis side by side, the others below each other."""
    axes = list(dict.fromkeys(axis for one in results for axis, _ in one.cell.axes))
    across = _across(results, axes)
    down = [axis for axis in axes if axis != across]
    columns = list(dict.fromkeys(one.cell.value(across) for one in results)) if across else [""]
    rows: dict[_Row, dict[str, list[int]]] = {}
    for number, one in enumerate(results):
        key = tuple(one.cell.value(axis) for axis in down)
        rows.setdefault(key, {}).setdefault(one.cell.value(across), []).append(number)
    head = "".join(f'<th rowspan="2">{_text(text)}</th>' for text in down)
    head += f'<th colspan="{len(columns)}">{_text(across)}</th></tr><tr>'
    head += "".join(f"<th>{_text(text)}</th>" for text in columns)
    body = "".join(
        f"<tr>{''.join(f'<th>{_text(text)}</th>' for text in key)}"
        f"{''.join(_place(results, cells.get(column, [])) for column in columns)}</tr>"
        for key, cells in rows.items()
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="grid">{table}</div>'


def _across(results: Sequence[Result], axes: Sequence[str]) -> str:
    """Return the axis that leaves the fewest places empty, the first of several; none if half of
    them would be."""
    several = [axis for axis in axes if len({one.cell.value(axis) for one in results}) > 1]
    best = min(several, key=lambda axis: _places(results, axis), default="")
    return best if _places(results, best) < 2 * len(results) else ""


def _places(results: Sequence[Result], across: str) -> int:
    rows = {tuple(pair for pair in one.cell.axes if pair[0] != across) for one in results}
    return len(rows) * len({one.cell.value(across) for one in results})


def _place(results: Sequence[Result], numbers: Sequence[int]) -> str:
    tiles = "".join(_tile(number, results[number]) for number in numbers)
    return f"<td>{tiles}</td>"


def _tile(number: int, result: Result) -> str:
    bad = ' data-bad="yes"' if result.bad else ""
    return (
        f'<button class="{_kind(result.state)}"{bad} aria-expanded="false" '
        f'aria-controls="log{number}" title="{_text(result.cell.name)}">'
        f"{result.state}<span>{_time(result) or '&nbsp;'}</span></button>"
    )


def _time(result: Result) -> str:
    if not result.seconds:
        return ""
    minutes, seconds = divmod(round(result.seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{result.seconds:.1f} s"


def _log(number: int, result: Result) -> str:
    """The section that a click on a tile shows."""
    told = ", ".join(part for part in (_time(result), _text(result.reason)) if part)
    values = ", ".join(f"{_text(axis)} {_text(value)}" for axis, value in result.cell.axes)
    text = tail(result.log)
    shown = f"<pre>{_text(text)}</pre>" if text else '<p class="quiet">It wrote nothing.</p>'
    return (
        f'<section id="log{number}" hidden><header><h2>{_text(result.cell.name)}</h2>'
        f'<span class="badge {_kind(result.state)}">{result.state}</span>'
        f'<span>{told}</span></header><p class="quiet">{values}</p>{shown}</section>'
    )
