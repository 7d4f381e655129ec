"""A Dockerfile's text cut into instructions: comments, continued lines, heredocs.

Source: BuildKit's parser. What each instruction means is for ``parsing``.
"""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACES, split_blanks
from plugrun.dockerfile.directives import Directives
from plugrun.dockerfile.failures import located
from plugrun.dockerfile.heredocs import Opening, openings
from plugrun.dockerfile.instructions import Heredoc
from plugrun.dockerfile.splitting import json_words, split_flags
from plugrun.errors import InvalidArgument
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What Docker's scanner takes of one line, and what a file may have in all, in bytes.
LONGEST_LINE = 64 * 1024 - 1
LARGEST_FILE = 16 * 1024 * 1024

_WITH_HEREDOCS = ("RUN", "COPY", "ADD")


@record
class Written:
    """One instruction as it stands in the file: ``word``, then ``flags``, then ``rest``.

    ``text`` is its line, continued lines put together.
    """

    word: str
    flags: tuple[str, ...]
    rest: str
    text: str
    first: int
    last: int
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def keyword(self) -> str:
        """The instruction's name in capitals."""
        return self.word.upper()


@record
class Text:
    """A whole file, cut up.

    ``gaps`` are the last lines of instructions with an empty line in; ``checks`` what a comment
    right above an instruction says with ``check=``, by the instruction's first line.
    """

    name: str
    lines: tuple[str, ...]
    escape: str
    syntax: str
    check: str
    written: tuple[Written, ...]
    gaps: tuple[int, ...]
    checks: Mapping[int, str]


def read_text(data: bytes, name: str) -> Text:
    """Cut a Dockerfile into instructions; raise DockerfileError on what Docker's parser refuses."""
    if not data:
        raise InvalidArgument(f"the Dockerfile cannot be empty: {name}")
    if len(data) > LARGEST_FILE:
        raise InvalidArgument(f"{name} has {len(data)} bytes, more than the {LARGEST_FILE} allowed")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    reader = _Reader(name, text)
    written = tuple(reader)
    if not written:
        raise reader.failure(InvalidArgument("file with no instructions"), reader.at)
    found = reader.directives
    return Text(
        name,
        reader.shown,
        found.escape,
        found.found.get("syntax", ""),
        found.found.get("check", ""),
        written,
        tuple(reader.gaps),
        reader.checks,
    )


class _Reader:
    """Yields the instructions; ``at`` is how many lines have been read."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = _lines(text)
        self.shown = tuple(line.rstrip("\r\n") for line in self.lines)
        self.at = 0
        self.directives = Directives()
        self.gaps: list[int] = []
        self.checks: dict[int, str] = {}
        self._said = ""

    def failure(self, error: InvalidArgument, first: int) -> InvalidArgument:
        return located(error, self.name, self.shown, first, self.at)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> Written:
        while self.at < len(self.lines):
            first = self.at + 1
            try:
                line = self._line()
                if line is not None:
                    return self._instruction(line, first)
            except InvalidArgument as error:
                raise self.failure(error, first) from None
        raise StopIteration

    def _next(self) -> str:
        line = self.shown[self.at]
        self.at += 1
        # A character has four bytes at most: hardly a line need be encoded to be measured.
        if len(line) * 4 > LONGEST_LINE and _size(line) > LONGEST_LINE:
            raise InvalidArgument(
                f"dockerfile line greater than max allowed size of {LONGEST_LINE}"
            )
        return line

    def _line(self) -> str | None:
        """Return one instruction's line, continued ones put together; None if there is none."""
        line = self._next().lstrip(SPACES)
        is_directive = self.directives.take(line)
        if line.startswith("#"):
            self._said = "" if is_directive else self._above(line)
            return None
        first = self.at
        part, continued = _continued(line, self.directives.escape)
        parts, gap = [part], False
        while continued and self.at < len(self.lines):
            line = self._next()
            bare = line.lstrip(SPACES)
            if bare.startswith("#"):
                continue
            if not bare:
                gap = True
                continue
            part, continued = _continued(line, self.directives.escape)
            parts.append(part)
        if gap:
            self.gaps.append(self.at)
        whole = "".join(parts)
        if not whole.strip(SPACES):
            return None
        if self._said:
            self.checks[first] = self._said
        self._said = ""
        return whole

    def _above(self, comment: str) -> str:
        """Return what comments above an instruction say of checks; an empty one parts them."""
        text = comment[1:].strip(SPACES)
        name, equals, value = text.partition("=")
        if equals and name.rstrip(SPACES).lower() == "check":
            return value.strip(SPACES)
        return self._said if text else ""

    def _instruction(self, line: str, first: int) -> Written:
        found = parted(line, self.directives.escape, first, self.at)
        heredocs = tuple(self._heredoc(one) for one in _openings(found, self.directives.escape))
        if not heredocs:
            return found
        return Written(found.word, found.flags, found.rest, found.text, first, self.at, heredocs)

    def _heredoc(self, opening: Opening) -> Heredoc:
        data: list[str] = []
        while self.at < len(self.lines):
            line = self._next()
            if (line.lstrip("\t") if opening.chomp else line) == opening.name:
                return Heredoc(
                    opening.name, "".join(data), opening.expand, opening.chomp, opening.descriptor
                )
            data.append(self.lines[self.at - 1])
        raise InvalidArgument("unterminated heredoc")


def parted(line: str, escape: str, first: int, last: int) -> Written:
    """Cut one instruction into its word, its flags and the rest."""
    text = line.strip(SPACES)
    word, *after = split_blanks(text, 2)
    flags, rest = split_flags(after[0], escape) if after else ((), "")
    return Written(word, flags, rest, text, first, last)


def _openings(found: Written, escape: str) -> list[Opening]:
    """Return the heredocs an instruction begins: RUN, COPY and ADD may, not in their JSON form."""
    inner = found
    if found.keyword == "ONBUILD" and found.rest:
        inner = parted(found.rest, escape, 0, 0)
    if inner.keyword not in _WITH_HEREDOCS or json_words(inner.rest) is not None:
        return []
    return openings(found.text)


def _size(line: str) -> int:
    return len(line.encode("utf-8", "surrogateescape"))


def _lines(text: str) -> list[str]:
    """Split after each line feed, and nowhere else."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _continued(line: str, escape: str) -> tuple[str, bool]:
    """Return a line without what continues it, and whether it is continued."""
    bare = line.rstrip(" \t")
    if not bare.endswith(escape) or bare[-2:-1] == escape:
        return line, False
    return bare[:-1], True
