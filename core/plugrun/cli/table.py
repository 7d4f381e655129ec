"""Tables in Docker's layout: columns at least ten wide, three spaces between them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_GAP = 3
_LEAST = 10


def align(text: str, least: int = _LEAST) -> str:
    """Replace tabs by spaces so that cells stand below each other, ``least`` wide at least.

    As Go's text/tabwriter: a column goes on while lines that follow each other have it, and what
    stands after a line's last tab belongs to no column.
    """
    rows = [line.split("\t") for line in text.split("\n")]
    lines = _aligned(rows, 0, least)
    return "\n".join(lines)


def _aligned(rows: list[list[str]], column: int, least: int) -> list[str]:
    lines: list[str] = []
    start = 0
    while start < len(rows):
        if len(rows[start]) <= column + 1:
            lines.append("".join(rows[start][column:]))
            start += 1
            continue
        end = start
        while end < len(rows) and len(rows[end]) > column + 1:
            end += 1
        block = rows[start:end]
        wide = max(least, max(len(row[column]) for row in block) + _GAP)
        rest = _aligned(block, column + 1, least)
        lines.extend(row[column].ljust(wide) + tail for row, tail in zip(block, rest, strict=True))
        start = end
    return lines


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with its header, ended by a newline."""
    return align("\n".join("\t".join(row) for row in (header, *rows))) + "\n"
