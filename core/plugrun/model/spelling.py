"""How far one word is from another, to say which one may have been meant."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FAR = 3


def distance(one: str, other: str) -> int:
    """Return how many letters are wrong, missing, too many or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        last, before, row = before, row, [i + 1]
        for j, wanted in enumerate(other):
            cost = min(before[j + 1] + 1, row[j] + 1, before[j] + (letter != wanted))
            if i and j and letter == other[j - 1] and one[i - 1] == wanted:
                cost = min(cost, last[j - 1] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean WORD?)`` for the nearest known word, or nothing if none is near."""
    found = meant(word, known)
    return f" (did you mean {found}?)" if found else ""


def meant(word: str, known: Iterable[str]) -> str:
    """Return the known word nearest to this one; nothing if none is near or the word is known."""
    if len(word) > 64:
        return ""
    options = list(known)
    if word in options:
        return ""
    near = [(distance(word, one), one) for one in options if abs(len(one) - len(word)) < _FAR]
    least, found = min(near, default=(_FAR, ""))
    return found if least < _FAR else ""
