"""Patterns with many stars, matched in time that grows with path and pattern, and no faster.

A regular expression of Python's tries the stars against each other, which a hostile
``.dockerignore`` makes last for ever; Docker's, which are Go's, do not. Here all ways through a
pattern are followed at once, one character of the path after another: a state is a place in the
pattern, and a set of them the bits of a number.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# What stands at a place of a pattern, besides a test of one character.
STAR = "*"  # any number of characters but slashes
ANY = "**"  # any number of characters
FOLDERS = "**/"  # nothing, or any number of characters and a slash


class Simulated:
    """A pattern of these pieces; what is no star tests one character."""

    def __init__(self, pieces: Sequence[str | Callable[[str], bool]]) -> None:
        # FOLDERS has a place of its own to begin at and one to go on from, which must end.
        self._places: list[str | Callable[[str], bool]] = []
        self._free = 0  # places that may be passed without a character
        for piece in pieces:
            if isinstance(piece, str):
                self._free |= 1 << len(self._places)
            self._places.append(piece)
        self._end = 1 << len(self._places)

    def match(self, path: str) -> bool:
        """Say whether the whole path matches."""
        # Above the places: those FOLDERS that have begun and need their slash.
        begun = 0
        now = self._passed(1)
        for char in path:
            following, still = 0, begun
            for number, place in enumerate(self._places):
                bit = 1 << number
                if place is FOLDERS:
                    if (now | begun) & bit:
                        still |= bit
                        following |= (bit << 1) if char == "/" else 0
                elif now & bit:
                    following |= self._after(place, bit, char)
            now, begun = self._passed(following), still
            if not now and not begun:
                return False
        return bool(now & self._end)

    def _after(self, place: str | Callable[[str], bool], bit: int, char: str) -> int:
        if place is ANY:
            return bit
        if place is STAR:
            return bit if char != "/" else 0
        assert not isinstance(place, str)
        return bit << 1 if place(char) else 0

    def _passed(self, places: int) -> int:
        """Return these places, and those reached from them without a character."""
        while (more := places | (places & self._free) << 1) != places:
            places = more
        return places
