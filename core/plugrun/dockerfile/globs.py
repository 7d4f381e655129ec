"""Go's ``filepath.Match``: the patterns of COPY and ADD, matched one name or path at a time.

``*`` and ``?`` match no slash; ``[a-z]`` and ``[^a-z]`` are classes; a backslash takes any meaning
from what follows. Unlike a shell's, a pattern's ``*`` matches a dot that begins a name.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_META = frozenset("*?[\\")


@record
class Class:
    """``[…]``: ranges of characters, or with ``negated`` all others."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def has(self, char: str) -> bool:
        """Say whether a character is of this class."""
        inside = any(low <= char <= high for low, high in self.ranges)
        return inside != self.negated


# A character itself, a class, or None for any but a slash. Between these pieces stand the stars.
TYPE_CHECKING = False
if TYPE_CHECKING:
    Piece = tuple[str | Class | None, ...]


def has_meta(pattern: str) -> bool:
    """Say whether a pattern has anything that is not simply itself."""
    return not _META.isdisjoint(pattern)


def match(pattern: str, name: str) -> bool:
    """Say whether a pattern matches a whole name; raise InvalidArgument if it is no pattern."""
    return Glob(pattern).match(name)


class Glob:
    """A pattern that was read once, to be matched often."""

    def __init__(self, pattern: str) -> None:
        self._pieces = _parsed(pattern)

    def match(self, name: str) -> bool:
        """Say whether the whole name matches."""
        first, *others = self._pieces
        if not _stands(first, name, 0):
            return False
        if not others:
            return len(name) == len(first)
        at, last = len(first), others[-1]
        for piece in others[:-1]:
            found = next((i for i in _reach(name, at) if _stands(piece, name, i)), None)
            if found is None:
                return False
            at = found + len(piece)
        start = len(name) - len(last)
        return at <= start and "/" not in name[at:start] and _stands(last, name, start)


def _reach(name: str, at: int) -> range:
    """Return where a star that begins here may end: before the next slash."""
    slash = name.find("/", at)
    return range(at, (len(name) if slash < 0 else slash) + 1)


def _stands(piece: Piece, name: str, at: int) -> bool:
    if at + len(piece) > len(name):
        return False
    for i, wanted in enumerate(piece):
        char = name[at + i]
        if wanted is None:
            fits = char != "/"
        else:
            fits = wanted.has(char) if isinstance(wanted, Class) else wanted == char
        if not fits:
            return False
    return True


def _parsed(pattern: str) -> tuple[Piece, ...]:
    done: list[Piece] = []
    piece: list[str | Class | None] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            done.append(tuple(piece))
            piece = []
            at += 1
        elif char == "[":
            found, at = _class(pattern, at + 1)
            piece.append(found)
        elif char == "?":
            piece.append(None)
            at += 1
        else:
            literal, at = _literal(pattern, at, "")
            piece.append(literal)
    return (*done, tuple(piece))


def _class(pattern: str, at: int) -> tuple[Class, int]:
    """Read a class from after its bracket; return it and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _literal(pattern, at, "-]")
        high = low
        if pattern.startswith("-", at):
            high, at = _literal(pattern, at + 1, "-]")
        ranges.append((low, high))
    return Class(tuple(ranges), negated), at + 1


def _literal(pattern: str, at: int, refused: str) -> tuple[str, int]:
    char = pattern[at : at + 1]
    if not char or char in refused:
        raise _fault(pattern)
    if char != "\\":
        return char, at + 1
    if at + 1 == len(pattern):
        raise _fault(pattern)
    return pattern[at + 1], at + 2


def _fault(pattern: str) -> InvalidArgument:
    return InvalidArgument(f'syntax error in pattern: "{pattern}"')
