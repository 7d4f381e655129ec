"""Which words somebody may have meant who wrote another one."""

from __future__ import annotations

from plugrun.model.spelling import distance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# How many letters may differ: in a short word two make another word of it.
_FAR, _FAR_IN_SHORT, _SHORT = 2, 1, 5


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return the known words that ``word`` begins, or those that fewest changes of letters make."""
    candidates = sorted(known)
    begun = [one for one in candidates if len(word) > 1 and one.startswith(word)]
    if begun:
        return begun
    distances = {one: distance(word, one) for one in candidates}
    far = _FAR_IN_SHORT if len(word) <= _SHORT else _FAR
    least = min(distances.values(), default=far + 1)
    if least > far or least >= len(word):
        return []
    return [one for one in candidates if distances[one] == least]
