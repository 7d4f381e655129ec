"""The patterns of ``${NAME#pattern}``, ``%`` and ``/``: ``*`` and ``?``, no brackets.

Neither of them matches the end of a line, as in Docker. A pattern is cut at its stars into pieces;
each piece is looked for after the one before, so that no pattern takes more than quadratic time.
"""

from __future__ import annotations

from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    # A character, or None for any but the end of a line.
    Piece = tuple[str | None, ...]


def pieces(pattern: str) -> tuple[Piece, ...]:
    """Return what stands between a pattern's stars; raise InvalidArgument on a wrong escape."""
    done: list[Piece] = []
    piece: list[str | None] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            done.append(tuple(piece))
            piece = []
        elif char == "\\":
            following = pattern[at : at + 1]
            if following in ("}", "/") and following:
                continue
            if following not in ("*", "?", "\\") or not following:
                raise InvalidArgument(
                    f"invalid pattern ({pattern}) in substitution: invalid escape '\\{following}'"
                )
            piece.append(following)
            at += 1
        else:
            piece.append(None if char == "?" else char)
    return (*done, tuple(piece))


def without_prefix(value: str, pattern: str, longest: bool) -> str:
    """Return a value without what the pattern matches at its beginning."""
    end = _end(pieces(pattern), value, 0, longest)
    return value if end is None else value[end:]


def without_suffix(value: str, pattern: str, longest: bool) -> str:
    """Return a value without what the pattern matches at its end."""
    found = tuple(piece[::-1] for piece in pieces(pattern)[::-1])
    end = _end(found, value[::-1], 0, longest)
    return value if end is None else value[: len(value) - end]


def replaced(value: str, pattern: str, other: str, every: bool) -> str:
    """Return a value with the pattern's first match, or every one, replaced."""
    found = pieces(pattern)
    done, copied, at, last = [], 0, 0, -1
    while at <= len(value):
        start, end = _search(found, value, at)
        if start < 0:
            break
        if end > last or start == 0:
            done += [value[copied:start], other]
            copied = last = end
        if not every:
            break
        at = max(end, at + 1) if end > start else start + 1
    return "".join(done) + value[copied:]


def _search(found: tuple[Piece, ...], value: str, start: int) -> tuple[int, int]:
    """Return the leftmost match at or after ``start``, as long as can be, or (-1, -1)."""
    first, at = found[0], start
    while at <= len(value):
        if _stands(first, value, at):
            end = _end(found, value, at, longest=True)
            if end is not None:
                return at, end
            # What the first star could not reach from here, it cannot from later in this line.
            line_end = value.find("\n", at + len(first))
            at = len(value) if line_end < 0 else line_end - len(first)
        at += 1
    return -1, -1


def _end(found: tuple[Piece, ...], value: str, start: int, longest: bool) -> int | None:
    """Return where a match that begins at ``start`` ends."""
    if not _stands(found[0], value, start):
        return None
    at = start + len(found[0])
    for number, piece in enumerate(found[1:], 2):
        line_end = value.find("\n", at)
        places = range(at, (len(value) if line_end < 0 else line_end) + 1)
        if longest and number == len(found):
            places = places[::-1]
        place = next((one for one in places if _stands(piece, value, one)), None)
        if place is None:
            return None
        at = place + len(piece)
    return at


def _stands(piece: Piece, value: str, at: int) -> bool:
    if at + len(piece) > len(value):
        return False
    return all(
        value[at + i] == char if char is not None else value[at + i] != "\n"
        for i, char in enumerate(piece)
    )
