"""Which characters are blank, and which make a name, in a Dockerfile: those that Go says are."""

from __future__ import annotations

# unicode.IsSpace of Go; str.isspace() has U+001C to U+001F besides.
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
SPACE = frozenset(SPACES)

# What stands between the words of most instructions.
BLANKS = frozenset("\t\v\f\r ")


def split_blanks(text: str, limit: int = 0) -> list[str]:
    """Split at runs of blanks, like a regular expression: what is empty at an end stays.

    With a limit, split into at most so many.
    """
    found: list[str] = []
    start = at = 0
    while at < len(text) and (not limit or len(found) < limit - 1):
        if text[at] not in BLANKS:
            at += 1
            continue
        found.append(text[start:at])
        while at < len(text) and text[at] in BLANKS:
            at += 1
        start = at
    return [*found, text[start:]]
