"""A half-written command line, read as far as it goes: what stands under the cursor."""

from __future__ import annotations

from plugrun.cli.options import FLAG, ROOT, Command, Option
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


@record
class Cursor:
    """Where a line stops.

    ``path`` is the command so far; ``table`` is None for a group or for what is no command.
    ``said`` are ROOT's options, ``args`` the arguments before the cursor. ``option`` is the one
    whose value is being written, ``start`` what stands before it in the same word. ``ended`` is
    that options are over.
    """

    path: str
    table: Command | None
    said: Mapping[str, Any]
    args: tuple[str, ...]
    word: str
    option: Option | None = None
    start: str = ""
    ended: bool = False


def read_line(words: Sequence[str], tables: Mapping[str, Command], groups: object) -> Cursor:
    """Return what the last word is to be completed to; there is one, though it may be empty."""
    *before, word = words
    root = _Walk(ROOT, before)
    if root.waiting is not None or not root.args:
        return _cursor(root, "", ROOT, root.values, word)
    first, *rest = root.args
    path, table = first, tables.get(first)
    if table is None and rest and first in groups:  # type: ignore[operator]
        path, table = f"{first} {rest[0]}", tables.get(f"{first} {rest[0]}")
        rest = rest[1:]
    if table is None:
        return Cursor(path, None, root.values, tuple(rest), word)
    return _cursor(_Walk(table, rest), path, table, root.values, word)


def _cursor(walk: _Walk, path: str, table: Command, said: Mapping[str, Any], word: str) -> Cursor:
    option, start = walk.waiting, ""
    if option is None and not walk.ended and word.startswith("--") and "=" in word:
        start = word[: word.index("=") + 1]
        option = walk.names.get(start[:-1])
    return Cursor(
        path, table, said, tuple(walk.args), word[len(start) :], option, start, walk.ended
    )


class _Walk:
    """The words of one command; nothing is checked, for the line is not finished."""

    def __init__(self, table: Command, words: Sequence[str]) -> None:
        self.names = {f"--{n}": o for o in table.every for n in (o.name, *o.aliases)}
        self.names |= {f"-{o.short}": o for o in table.every if o.short}
        self.values: dict[str, Any] = {o.dest: o.missing for o in table.every}
        self.args: list[str] = []
        self.waiting: Option | None = None
        self.ended = False
        for word in words:
            self._take(word, table.mixed)

    def _take(self, word: str, mixed: bool) -> None:
        if self.waiting is not None:
            self.values[self.waiting.dest] = word
            self.waiting = None
        elif self.ended or not word.startswith("-") or word == "-":
            self.args.append(word)
            self.ended = self.ended or not mixed
        elif word == "--":
            self.ended = True
        else:
            self._take_option(word)

    def _take_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2:
            # Of combined letters only the last may still want a value.
            name, equals = f"-{word[-1]}", ""
            if any(self._wants(f"-{letter}") for letter in word[1:-1]):
                return
        option = self.names.get(name)
        if option is not None and option.kind == FLAG:
            self.values[option.dest] = True
        elif option is not None and equals:
            self.values[option.dest] = value
        else:
            self.waiting = option

    def _wants(self, name: str) -> bool:
        option = self.names.get(name)
        return option is not None and option.kind != FLAG
