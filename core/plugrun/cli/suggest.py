"""Which words somebody may have meant who wrote another one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FAR = 2


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words that ``word`` begins, or those that fewest changes of letters make."""
    candidates = sorted(known)
    begun = [one for one in candidates if len(word) > 1 and one.startswith(word)]
    if begun:
        return begun
    distances = {one: distance(word, one) for one in candidates}
    least = min(distances.values(), default=_FAR + 1)
    if least > _FAR or least >= len(word):
        return []
    return [one for one in candidates if distances[one] == least]


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
