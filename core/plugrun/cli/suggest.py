"""Which words somebody may have meant who wrote another one."""

from __future__ import annotations

from plugrun.model.spelling import distance

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
