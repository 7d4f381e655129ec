"""Words with quotes, escapes and variables, as a Dockerfile has them.

Source: docs.docker.com/reference/dockerfile, "Environment replacement", and what BuildKit does.
"""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACE
from plugrun.dockerfile.shellpattern import replaced, without_prefix, without_suffix
from plugrun.errors import InvalidArgument
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# POSIX's special parameters: a name of one character.
_SPECIAL = frozenset("@*#?-$!0")
# How deep ``${A:-${B:-…}}`` may go.
_DEEPEST = 100
_HEREDOC_BLANKS = frozenset("\t\r ")


@record
class Rules:
    """What is done to a word besides putting variables in.

    ``raw_quotes`` and ``raw_escapes`` leave those characters in, ``no_quotes`` sees none;
    ``keep_unset`` leaves a variable that is not set as it was written.
    """

    escape: str = "\\"
    raw_quotes: bool = False
    raw_escapes: bool = False
    no_quotes: bool = False
    keep_unset: bool = False


@record
class Expanded:
    """``text`` as one word, or as ``words``; ``used`` and ``unset`` are names met in it."""

    text: str
    words: tuple[str, ...]
    used: frozenset[str]
    unset: frozenset[str]


_PLAIN = Rules()


def expand(text: str, variables: Mapping[str, str], rules: Rules = _PLAIN) -> Expanded:
    """Put variables in and take quotes off; raise InvalidArgument in Docker's words.

    ``${NAME}`` may have ``:-``, ``-``, ``:+``, ``+``, ``:?``, ``?``, ``#``, ``##``, ``%``, ``%%``,
    ``/`` and ``//``.
    """
    reader = _Reader(text, variables, rules)
    try:
        found, words = reader.upto("", rules.raw_escapes)
    except InvalidArgument as error:
        raise InvalidArgument(f'failed to process "{text}": {error.message}') from None
    return Expanded(found, tuple(words), frozenset(reader.used), frozenset(reader.unset))


class _Words:
    """The words of a text: what variables bring is split too, what is quoted is not."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.parts: list[str] = []

    def split(self, text: str) -> None:
        for char in text:
            if char not in SPACE:
                self.parts.append(char)
            else:
                self.end()

    def end(self) -> None:
        word = "".join(self.parts)
        self.parts = []
        if word:
            self.done.append(word)


class _Reader:
    """Reads one text once; ``at`` is where."""

    def __init__(self, text: str, variables: Mapping[str, str], rules: Rules) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.variables = variables
        self.rules = rules
        self.raw_escapes = rules.raw_escapes
        self.used: set[str] = set()
        self.unset: set[str] = set()

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def next(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        return char

    def upto(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        """Read up to a character, which is taken too, or with "" to the end."""
        before, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        if self.depth > _DEEPEST:
            raise InvalidArgument("syntax error: substitutions are nested too deeply")
        done: list[str] = []
        words = _Words()
        while char := self.peek():
            if char == stop:
                break
            self._one(char, done, words)
        if stop and not self.next():
            raise InvalidArgument(f"unexpected end of statement while looking for matching {stop}")
        words.end()
        self.raw_escapes = before
        self.depth -= 1
        return "".join(done), words.done

    def _one(self, char: str, done: list[str], words: _Words) -> None:
        if char == "$":
            found = self._dollar()
            words.split(found)
        elif char == "<":
            found = self._angle()
            words.parts.append(found)
        elif char in "'\"" and not self.rules.no_quotes:
            found = self._single() if char == "'" else self._double()
            words.parts.append(found)
        elif char == self.rules.escape:
            self.at += 1
            found = (char if self.raw_escapes else "") + self.next()
            words.parts.append(found)
        else:
            self.at += 1
            found = char
            words.split(char)
        done.append(found)

    def _angle(self) -> str:
        """Keep ``<< NAME`` together as one word."""
        start = self.at
        self.at += 1
        if self.peek() == "<":
            self.at += 1
            while self.peek() in _HEREDOC_BLANKS:
                self.at += 1
        return self.text[start : self.at]

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.at = len(self.text)
            raise InvalidArgument(
                "unexpected end of statement while looking for matching single-quote"
            )
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inside}'" if self.rules.raw_quotes else inside

    def _double(self) -> str:
        self.at += 1
        done: list[str] = []
        while (char := self.peek()) != '"':
            if not char:
                raise InvalidArgument(
                    "unexpected end of statement while looking for matching double-quote"
                )
            done.append(self._dollar() if char == "$" else self._quoted())
        self.at += 1
        inside = "".join(done)
        return f'"{inside}"' if self.rules.raw_quotes else inside

    def _quoted(self) -> str:
        """One character between double quotes, where little can be escaped."""
        char = self.next()
        if char != self.rules.escape:
            return char
        kept = char if self.raw_escapes else ""
        following = self.peek()
        if not following:
            return kept
        if following in ('"', "$", self.rules.escape):
            self.at += 1
            return kept + following
        return kept + char

    def _dollar(self) -> str:
        self.at += 1
        if self.peek() == "{":
            self.at += 1
            return self._braced()
        name = self._name()
        if not name:
            return "$"
        value = self._value(name)
        if value is None:
            return f"${name}" if self.rules.keep_unset else ""
        return value

    def _name(self) -> str:
        start, first = self.at, self.peek()
        if first.isdecimal():
            while self.peek().isdecimal():
                self.at += 1
        elif first in _SPECIAL and first:
            self.at += 1
        else:
            while (char := self.peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self.at += 1
        return self.text[start : self.at]

    def _value(self, name: str) -> str | None:
        value = self.variables.get(name)
        (self.unset if value is None else self.used).add(name)
        return value

    def _braced(self) -> str:
        if not self.peek():
            raise InvalidArgument("syntax error: missing '}'")
        if self.peek() in "{}:":
            raise InvalidArgument("syntax error: bad substitution")
        name = self._name()
        sign = self.next()
        if sign == "}":
            value = self._value(name)
            if value is None:
                return f"${{{name}}}" if self.rules.keep_unset else ""
            return value
        if not sign:
            raise InvalidArgument("syntax error: missing '}'")
        if sign == "/":
            return self._replacement(name)
        if sign == ":":
            sign += self.next()
        if sign not in (":-", "-", ":+", "+", ":?", "?", "#", "%"):
            raise InvalidArgument(f"unsupported modifier ({sign}) in substitution")
        word = self._part("}", "missing '}'", sign in ("#", "%"))
        value = self._value(name)
        if value is None and self.rules.keep_unset:
            return f"${{{name}{sign}{word}}}"
        return _substituted(name, sign, word, value)

    def _replacement(self, name: str) -> str:
        every = self.peek() == "/"
        self.at += every
        pattern = self._part("/", "missing '/' in ${}", True)
        other = self._part("}", "missing '}'", True)
        value = self._value(name)
        if value is None and self.rules.keep_unset:
            return f"${{{name}/{pattern}/{other}}}"
        return replaced(value or "", pattern, other, every)

    def _part(self, stop: str, missing: str, raw_escapes: bool) -> str:
        try:
            return self.upto(stop, raw_escapes)[0]
        except InvalidArgument:
            if self.peek():
                raise
            raise InvalidArgument(f"syntax error: {missing}") from None


def _substituted(name: str, sign: str, word: str, value: str | None) -> str:
    given = value is not None and not (sign[0] == ":" and not value)
    kind = sign[-1]
    if kind == "-":
        return value or "" if given else word
    if kind == "+":
        return word if given else ""
    if kind == "?":
        if not given:
            state = "unset" if value is None else "empty"
            raise InvalidArgument(f"{name}: {word or f'is not allowed to be {state}'}")
        return value or ""
    longest = word.startswith(kind)
    cut = without_prefix if kind == "#" else without_suffix
    return cut(value or "", word[longest:], longest)
