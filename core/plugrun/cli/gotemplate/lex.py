"""Cuts a template into text and the tokens of its actions."""

from __future__ import annotations

import re

from plugrun.cli.gotemplate.values import TemplateError
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Kinds of token. Those that stand in actions are the groups of `_TOKEN`.
TEXT = "text"
OPEN = "open"
CLOSE = "close"
FIELD = "field"
VARIABLE = "variable"
WORD = "word"
STRING = "string"
NUMBER = "number"
DOT = "dot"
MARK = "mark"
SPACE = "space"
END = "end"

_SPACES = " \t\r\n"
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<field>\.[^\W\d]\w*)
      | (?P<variable>\$\w*)
      | (?P<word>[^\W\d]\w*)
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))
      | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+')
      | (?P<mark>:=|[|(),=])
      | (?P<dot>\.)""",
    re.VERBOSE,
)


@record
class Token:
    """One piece; ``at`` is its offset in the template."""

    kind: str
    text: str
    at: int


def lex(source: str) -> Iterator[Token]:
    """Yield the tokens of a template, END last; white space that is trimmed is left out."""
    at, trim = 0, False
    while True:
        start = source.find("{{", at)
        text = source[at : start if start >= 0 else len(source)]
        text = text.lstrip(_SPACES) if trim else text
        if start < 0:
            break
        left = source.startswith("- ", start + 2) or source.startswith("-\n", start + 2)
        yield Token(TEXT, text.rstrip(_SPACES) if left else text, at)
        begin = start + (3 if left else 2)
        at, trim, tokens = _action(source, begin)
        yield from tokens
    yield Token(TEXT, text, at)
    yield Token(END, "EOF", len(source))


def _action(source: str, begin: int) -> tuple[int, bool, list[Token]]:
    comment = re.compile(r"\s?/\*.*?\*/(\s-)?\}\}", re.DOTALL).match(source, begin)
    if comment is not None:
        return comment.end(), comment.group(1) is not None, []
    tokens = [Token(OPEN, "{{", begin)]
    at = begin
    while True:
        for close, trim in (("}}", False), (" -}}", True)):
            if source.startswith(close, at):
                tokens.append(Token(CLOSE, "}}", at))
                return at + len(close), trim, tokens
        token = _token(source, at)
        tokens.append(token)
        at += len(token.text)


def _token(source: str, at: int) -> Token:
    if at >= len(source):
        raise fault(source, at, "unclosed action")
    match = _TOKEN.match(source, at)
    if match is None:
        raise fault(source, at, _complaint(source, at))
    kind, text = str(match.lastgroup), match.group()
    if kind == SPACE:
        # Where the space belongs to a trim marker, it stays with it.
        cut = re.search(r"\s-\}\}$", source[at : match.end() + 3])
        text = text[:-1] if cut and len(text) > 1 else text
    return Token(kind, text, at)


def _complaint(source: str, at: int) -> str:
    char = source[at]
    if char == '"':
        return "unterminated quoted string"
    if char == "`":
        return "unterminated raw quoted string"
    if char == "'":
        return "unterminated character constant"
    if char in "{}":
        return f"bad character U+{ord(char):04X} {char!r}"
    return f'unexpected "{char}" in command'


def place(source: str, at: int) -> str:
    """Return where an offset is as Go reports it while running: line and byte in the line."""
    start = source.rfind("\n", 0, at) + 1
    return f"{source.count(chr(10), 0, at) + 1}:{len(source[start:at].encode())}"


def fault(source: str, at: int, what: str) -> TemplateError:
    """Return the error for a place in a template, as Go's parser words it."""
    line = source.count("\n", 0, at) + 1
    return TemplateError(f"template: :{line}: {what}", parsing=True)
