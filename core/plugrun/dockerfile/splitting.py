"""An instruction's text cut into flags, words and JSON lists, with quotes and variables left in."""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACE, SPACES
from plugrun.errors import InvalidArgument
from plugrun.model.jsontext import loads


def json_words(text: str) -> tuple[str, ...] | None:
    """Return a JSON list of strings, or None if the text is no JSON list: it is for the shell then.

    Raise InvalidArgument on a list of anything else.
    """
    text = text.lstrip(SPACES)
    if not text.startswith("["):
        return None
    try:
        found = loads(text)
    except ValueError:
        return None
    if not all(isinstance(item, str) for item in found):
        raise InvalidArgument(
            "when using JSON array syntax, arrays must be comprised of strings only"
        )
    return tuple(found)


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Return the ``--flags`` that begin a text, without their quotes, and what follows them.

    A lone ``--`` ends them.
    """
    flags: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at] in SPACE:
            at += 1
        if not text.startswith("--", at):
            return tuple(flags), text[at:].strip(SPACES)
        word, at = _flag(text, at, escape)
        if word == "--":
            return tuple(flags), text[at:].strip(SPACES)
        flags.append(word)


def _flag(text: str, at: int, escape: str) -> tuple[str, int]:
    """Return the flag that begins here, and where it ends."""
    done, quote = [], ""
    while at < len(text):
        char = text[at]
        if not quote and char in SPACE:
            break
        at += 1
        if char == quote or (not quote and char in "'\""):
            quote = "" if quote else char
        elif char == escape:
            done.append(text[at : at + 1])
            at += 1
        else:
            done.append(char)
    return "".join(done), at


def split_words(text: str, escape: str) -> list[str]:
    """Split at blanks outside of quotes; quotes and escapes stay in the words."""
    found: list[str] = []
    word: list[str] = []
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char in SPACE:
            if word:
                found.append("".join(word))
            word = []
            continue
        if char == escape and quote != "'":
            if at == len(text):
                # One that ends the text escapes nothing.
                break
            char += text[at]
            at += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        word.append(char)
    return [*found, "".join(word)] if word else found
