"""The look of the page of results, and what it does on a click."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1f2937; --quiet: #6b7280;
  --line: #d1d5db; --soft: #f3f4f6; --chosen: #2563eb; --passed: #15803d; --failed: #b91c1c;
  --interrupted: #7e22ce; --skipped: #92400e; font: 15px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --ground: #111827; --text: #e5e7eb;
  --quiet: #9ca3af; --line: #374151; --soft: #1f2937; --chosen: #93c5fd; --passed: #166534;
  --failed: #b91c1c; --interrupted: #7e22ce; --skipped: #92400e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 2rem 1.25rem 4rem; background: var(--ground);
  color: var(--text); }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
code, pre { font: .87rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
h1 code { font-size: 1em; font-weight: 600; }
.quiet { color: var(--quiet); margin: 0; }
.counts { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; margin: 1rem 0;
  padding: 0; }
.badge { border-radius: 999px; color: #fff; display: inline-block; font-size: .85rem;
  padding: .1rem .7rem; }
.grid { overflow-x: auto; padding: 4px; margin: 0 -4px; }
table { border-collapse: separate; border-spacing: 6px; margin: 0 -6px; }
th { color: var(--quiet); font-size: .85rem; font-weight: 600; padding: .1rem .5rem .1rem 0;
  text-align: left; white-space: nowrap; }
thead th { vertical-align: bottom; } thead tr + tr th { color: var(--text); }
tbody th { color: var(--text); font-weight: 500; }
td { padding: 0; vertical-align: top; }
button { all: unset; box-sizing: border-box; border-radius: 6px; color: #fff; cursor: pointer;
  display: block; min-width: 8rem; padding: .4rem .7rem; width: 100%; }
button + button { margin-top: 6px; }
button:hover { filter: brightness(1.12); }
button:focus-visible, button[aria-expanded=true] { outline: 3px solid var(--chosen);
  outline-offset: 1px; }
button span { display: block; font-size: .82rem; opacity: .9; }
.passed { background: var(--passed); } .failed, .timed-out { background: var(--failed); }
.interrupted { background: var(--interrupted); } .skipped { background: var(--skipped); }
section { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1.25rem; }
section header { align-items: baseline; display: flex; flex-wrap: wrap; gap: .25rem .75rem; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  margin: .75rem 0 0; max-height: 70vh; overflow: auto; overflow-wrap: anywhere; padding: .75rem;
  white-space: pre-wrap; }
"""

SCRIPT = """
const tiles = [...document.querySelectorAll('button')];
const show = (chosen) => {
  for (const tile of tiles) {
    const is = tile === chosen && tile.getAttribute('aria-expanded') !== 'true';
    tile.setAttribute('aria-expanded', is);
    const log = document.getElementById(tile.getAttribute('aria-controls'));
    log.hidden = !is;
    const text = log.querySelector('pre');
    if (is && text) text.scrollTop = text.scrollHeight;
  }
};
for (const tile of tiles) tile.addEventListener('click', () => show(tile));
const bad = tiles.find((tile) => tile.dataset.bad);
if (bad) show(bad);
"""
