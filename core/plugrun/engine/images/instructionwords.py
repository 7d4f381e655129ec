"""The words of a Dockerfile instruction: quotes, backslashes, variables, JSON lists."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def json_words(text: str) -> list[str] | None:
    """Return a JSON list of strings, or None if the text is none: then it is for the shell."""
    if not text.startswith("["):
        return None
    try:
        found = loads(text)
    except ValueError:
        return None
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    return None


def words(text: str, variables: Mapping[str, str]) -> list[str]:
    """Split at blanks outside of quotes; take quotes off and put variables in."""
    return [expand(word, variables) for word in split(text)]


def pairs(name: str, text: str, variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the ``KEY=VALUE`` of ``ENV`` or ``LABEL``, or its older form ``KEY VALUE …``."""
    found = split(text)
    if not found:
        raise InvalidArgument(f"{name} requires at least one argument")
    if "=" not in found[0]:
        key, blank, value = text.partition(" ")
        if not blank or not value.strip():
            raise InvalidArgument(f"{name} must have two arguments")
        return [(expand(key, variables), expand(value.strip(), variables))]
    result = []
    for word in found:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(
                f"Syntax error - can't find = in {word!r}. Must be of the form: name=value"
            )
        key = expand(key, variables)
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        result.append((key, expand(value, variables)))
    return result


def split(text: str) -> list[str]:
    """Split at blanks; quotes and backslashes keep a blank in, and stay."""
    found, word, quote, at = [], "", "", 0
    while at < len(text):
        char = text[at]
        if char == "\\" and quote != "'" and at + 1 < len(text):
            word += text[at : at + 2]
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            if word:
                found.append(word)
            word = ""
            at += 1
            continue
        word += char
        at += 1
    return [*found, word] if word else found


def expand(word: str, variables: Mapping[str, str]) -> str:
    """Take quotes off, and put in what ``$NAME``, ``${NAME}``, ``:-`` and ``:+`` stand for."""
    done, quote, at = "", "", 0
    while at < len(word):
        char = word[at]
        if char == "\\" and quote != "'" and at + 1 < len(word):
            kept = "" if not quote or word[at + 1] in '"$\\' else "\\"
            done += kept + word[at + 1]
            at += 2
        elif char == quote or (not quote and char in "'\""):
            quote = "" if quote else char
            at += 1
        elif char == "$" and quote != "'":
            value, at = _variable(word, at + 1, variables)
            done += value
        else:
            done += char
            at += 1
    return done


def _variable(word: str, at: int, variables: Mapping[str, str]) -> tuple[str, int]:
    if word[at : at + 1] == "{":
        end = word.find("}", at)
        if end < 0:
            raise InvalidArgument(f"failed to process {word!r}: syntax error: missing '}}'")
        return _braced(word[at + 1 : end], variables), end + 1
    end = at
    while end < len(word) and word[end] in _NAME:
        end += 1
    if end == at:
        return "$", at
    return variables.get(word[at:end], ""), end


def _braced(text: str, variables: Mapping[str, str]) -> str:
    for sign in (":-", ":+"):
        name, found, other = text.partition(sign)
        if found:
            value = variables.get(name, "")
            return (value or other) if sign == ":-" else (other if value else "")
    return variables.get(text, "")
