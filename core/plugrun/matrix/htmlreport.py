"""Results as one HTML page that needs nothing else: a grid of cells, and each one's log."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from plugrun import __version__
from plugrun.matrix.cell import STATES, Result
from plugrun.matrix.logtail import tail

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: separate; border-spacing: 4px; margin: 1rem 0; }
th { text-align: left; font-weight: 600; padding: .2rem .5rem; }
td { padding: 0; }
button { all: unset; box-sizing: border-box; cursor: pointer; display: block; width: 100%;
  min-width: 7rem; padding: .45rem .6rem; border-radius: 4px; color: #fff; background: #6b7280; }
button:focus-visible, button[aria-expanded=true] { outline: 3px solid #2563eb;
  outline-offset: 1px; }
button small { display: block; opacity: .85; }
.passed { background: #15803d; } .failed, .timed-out { background: #b91c1c; }
.interrupted { background: #9333ea; } .skipped { background: #a16207; }
section { border-top: 1px solid #8888; padding-top: .5rem; margin-top: 1rem; }
pre { overflow: auto; max-height: 32rem; padding: .75rem; border: 1px solid #8888;
  border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere; }
"""
_SCRIPT = """
for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', () => {
    for (const other of document.querySelectorAll('button')) {
      const chosen = other === button && other.getAttribute('aria-expanded') !== 'true';
      other.setAttribute('aria-expanded', chosen);
      document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
    }
  });
}
"""
_Row = tuple[str, ...]


def html_report(results: Iterable[Result], command: Iterable[str], summary: str) -> str:
    """Return the page. All text in it is escaped; it asks nothing of any other place."""
    results = list(results)
    words = html.escape(" ".join(command))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{words}: {html.escape(summary)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>plugrun matrix: <code>{words}</code></h1>"
        f"<p>{html.escape(summary)} (plugrun {__version__})</p>"
        f"{_grid(results)}{''.join(map(_log, range(len(results)), results))}"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _grid(results: Sequence[Result]) -> str:
    """Lay the cells out: the values of the first axis side by side, the others below each other."""
    axes = list(dict.fromkeys(axis for one in results for axis, _ in one.cell.axes))
    across = _across(results, axes)
    down = [axis for axis in axes if axis != across]
    columns = list(dict.fromkeys(one.cell.value(across) for one in results)) if across else [""]
    rows: dict[_Row, dict[str, list[int]]] = {}
    for number, one in enumerate(results):
        key = tuple(one.cell.value(axis) for axis in down)
        rows.setdefault(key, {}).setdefault(one.cell.value(across), []).append(number)
    head = "".join(f"<th>{html.escape(text)}</th>" for text in (*down, *columns))
    body = "".join(
        f"<tr>{''.join(f'<th>{html.escape(text)}</th>' for text in key)}"
        f"{''.join(_place(results, cells.get(column, [])) for column in columns)}</tr>"
        for key, cells in rows.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _across(results: Sequence[Result], axes: Sequence[str]) -> str:
    several = [axis for axis in axes if len({one.cell.value(axis) for one in results}) > 1]
    return several[0] if several else ""


def _place(results: Sequence[Result], numbers: Sequence[int]) -> str:
    tiles = "".join(_tile(number, results[number]) for number in numbers)
    return f"<td>{tiles}</td>"


def _tile(number: int, result: Result) -> str:
    kind = result.state.replace(" ", "-")
    assert result.state in STATES
    time = f"{result.seconds:.1f} s" if result.seconds else ""
    return (
        f'<button class="{kind}" aria-expanded="false" aria-controls="log{number}" '
        f'title="{html.escape(result.cell.name)}">{result.state}<small>{time}&nbsp;</small></button>'
    )


def _log(number: int, result: Result) -> str:
    reason = f"<p>{html.escape(result.reason)}</p>" if result.reason else ""
    text = tail(result.log)
    shown = f"<pre>{html.escape(text)}</pre>" if text else "<p>It wrote nothing.</p>"
    name = html.escape(result.cell.name)
    return f'<section id="log{number}" hidden><h2>{name}</h2>{reason}{shown}</section>'
