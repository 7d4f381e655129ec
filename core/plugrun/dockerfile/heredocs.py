"""``<<NAME``: which heredocs an instruction has, and where each ends."""

from __future__ import annotations

from plugrun.dockerfile.words import Rules, expand
from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_DIGITS = frozenset("0123456789")
_LINE = Rules(raw_quotes=True, raw_escapes=True, keep_unset=True)
_BARE = Rules(keep_unset=True)
_QUOTED = Rules(raw_quotes=True, keep_unset=True)


@record
class Opening:
    """``<<NAME``, ``<<-NAME`` (``chomp``) or ``3<<"NAME"`` (not to ``expand``)."""

    name: str
    expand: bool
    chomp: bool
    descriptor: int


def openings(line: str) -> list[Opening]:
    """Return the heredocs that a line begins, in order."""
    if "<<" not in line:
        return []
    try:
        words = expand(line, {}, _LINE).words
    except InvalidArgument:
        # Quotes that do not match: it is for the shell to say so.
        return []
    return [found for found in map(opening, words) if found is not None]


def opening(word: str) -> Opening | None:
    """Return what a word begins if it is a heredoc's, and nothing but that."""
    digits, angles, rest = word.partition("<<")
    if not angles or not _DIGITS.issuperset(digits) or "<" in rest:
        return None
    chomp = rest.startswith("-")
    rest = rest[chomp:].lstrip("\t\n\f\r ")
    if not rest or len(digits) > 9:
        return None
    try:
        plain, quoted = expand(rest, {}, _BARE).words, expand(rest, {}, _QUOTED).words
    except InvalidArgument:
        return None
    if len(plain) != 1 or len(quoted) != 1:
        return None
    return Opening(plain[0], _quotes(plain[0]) == _quotes(quoted[0]), chomp, int(digits or "0"))


def chomped(data: str) -> str:
    """Return text without the tabs that begin its lines."""
    return "\n".join(line.lstrip("\t") for line in data.split("\n"))


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
