"""What ``.dockerignore`` and ``--exclude`` leave out: Docker's patterns, which are not gitignore's.

Source: docs.docker.com/build/concepts/context ("dockerignore files") and moby/patternmatcher. A
pattern is of the whole path from the context's root; what lies in a folder that matches, matches.
``**`` is any number of folders. The last pattern that matches decides; ``!`` takes back in.
"""

from __future__ import annotations

import posixpath

from plugrun.dockerfile.characters import SPACES
from plugrun.dockerfile.globs import Glob, has_meta
from plugrun.dockerfile.simulated import ANY, FOLDERS, STAR, Simulated
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

# After so many questions one regular expression for all patterns pays: most files match none.
_MANY = 500
_MOST_STARS = 2
_CLASS_ESCAPED = frozenset("[&~|\\")


class Matcher:
    """Patterns in their order. It remembers, for folders, what matched: ask top-down."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [found for text in patterns if (found := _pattern(text)) is not None]
        self._folders: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._patterns)}
        self._asked = 0
        self._any: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._patterns)

    @property
    def has_exceptions(self) -> bool:
        """Say whether a ``!`` may take something back in."""
        return any(one.negated for one in self._patterns)

    @property
    def leaves_nothing(self) -> bool:
        """Say whether a pattern leaves out all there is in the root."""
        return any(one.text in ("*", "**", "**/*") for one in self._patterns if not one.negated)

    def excluded(self, path: str) -> bool:
        """Say whether a path, relative to the root and plain, is left out. The root never is."""
        if not path or path == ".":
            return False
        above = self._matches(posixpath.dirname(path))
        if self._any is not None and True not in above and self._any.fullmatch(path) is None:
            return False
        self._asked += 1
        if self._asked == _MANY and not any(one.is_costly for one in self._patterns):
            self._any = _compiled([one.text for one in self._patterns])
        for pattern, within in zip(reversed(self._patterns), reversed(above), strict=True):
            if within or pattern.match(path):
                return not pattern.negated
        return False

    def skippable(self, folder: str) -> bool:
        """Say whether a folder is left out with all that is or may be in it."""
        if not self.excluded(folder):
            return False
        matches = self._matches(folder)
        last = max(
            (i for i, one in enumerate(self._patterns) if matches[i] and not one.negated),
            default=-1,
        )
        parts = folder.split("/")
        later = self._patterns[last + 1 :]
        return not any(one.negated and one.may_match_below(parts) for one in later)

    def _matches(self, folder: str) -> tuple[bool, ...]:
        """Say for each pattern whether it matches a folder, or one that it is in."""
        missing = []
        while folder not in self._folders:
            missing.append(folder)
            folder = posixpath.dirname(folder)
        known = self._folders[folder]
        for below in reversed(missing):
            found = zip(self._patterns, known, strict=True)
            known = tuple([within or one.match(below) for one, within in found])
            self._folders[below] = known
        return known


class _Pattern:
    """One pattern: most are a path, or begin or end with ``**``, and need no regular expression."""

    def __init__(self, text: str, negated: bool) -> None:
        self.negated = negated
        self.text = text
        self._parts = text.split("/")
        self._kind = _kind(text)
        self._expression: re.Pattern[str] | None = None
        self._simulated: Simulated | None = None

    @property
    def is_costly(self) -> bool:
        """Whether a regular expression of it could take a time that has no end."""
        return self._kind == "costly"

    def match(self, path: str) -> bool:
        """Say whether the path itself matches."""
        if self._kind == "path":
            return path == self.text
        if self._kind == "all":
            return True
        if self._kind == "prefix":
            return path.startswith(self.text[:-2])
        if self._kind == "suffix":
            suffix = self.text[2:]
            return path.endswith(suffix) or (suffix[0] == "/" and path == suffix[1:])
        if self.is_costly:
            self._simulated = self._simulated or Simulated(_pieces(self.text))
            return self._simulated.match(path)
        if self._expression is None:
            self._expression = _compiled([self.text])
        return self._expression.fullmatch(path) is not None

    def may_match_below(self, folder: list[str]) -> bool:
        """Say whether something in a folder may match that the folder itself does not."""
        for part, name in zip(self._parts, folder, strict=False):
            if "**" in part:
                return True
            if not Glob(part).match(name):
                return False
        return len(self._parts) > len(folder)


def _pattern(text: str) -> _Pattern | None:
    """Return a pattern; None for an empty one; raise InvalidArgument on a wrong one."""
    text = text.strip(SPACES)
    if not text:
        return None
    text = _clean(text)
    negated = text.startswith("!")
    if text == "!":
        raise InvalidArgument('illegal exclusion pattern: "!"')
    text = text[negated:]
    Glob(text)
    return _Pattern(text, negated)


def _clean(path: str) -> str:
    """Return Go's filepath.Clean: POSIX's normpath, but for two slashes at the front."""
    return posixpath.normpath(path).replace("//", "/")


def _kind(text: str) -> str:
    if not has_meta(text):
        return "path"
    inner = text.strip("*")
    if text == "**":
        return "all"
    if sum(text[at : at + 1] == "*" != text[at - 1 : at] for at in range(len(text))) > _MOST_STARS:
        return "costly"
    if has_meta(inner):
        return "expression"
    if text == f"**{inner}":
        return "suffix"
    return "prefix" if text == f"{inner}**" else "expression"


def _compiled(texts: list[str]) -> re.Pattern[str]:
    """Return the regular expression of what matches one of these patterns."""
    import re

    try:
        return re.compile("|".join(map(_expression, texts)), re.DOTALL)
    except re.error:
        raise InvalidArgument(f'syntax error in pattern: "{texts[0]}"') from None


def _expression(text: str) -> str:
    """Return the regular expression of a pattern."""
    done, at = [], 0
    while at < len(text):
        char = text[at]
        if text.startswith("**", at):
            at += 2
            at += text.startswith("/", at)
            done.append("(?:.*/)?" if at < len(text) else ".*")
            continue
        if char == "[":
            found, at = _bracket(text, at)
            done.append(found)
            continue
        if char == "\\":
            at += 1
            char = text[at]
            done.append(f"\\{char}" if not char.isalnum() and char.isascii() else char)
        elif char in "*?":
            done.append("[^/]*" if char == "*" else "[^/]")
        else:
            done.append(f"\\{char}" if char.isascii() and not char.isalnum() else char)
        at += 1
    return "".join(done)


def _pieces(text: str) -> list[str | Callable[[str], bool]]:
    """Return what ``_expression`` makes of a pattern, piece by piece."""
    import re

    done: list[str | Callable[[str], bool]] = []
    at = 0
    while at < len(text):
        if text.startswith("**", at):
            at += 2
            at += text.startswith("/", at)
            done.append(FOLDERS if at < len(text) else ANY)
        elif text[at] == "*":
            done.append(STAR)
            at += 1
        else:
            end = at + 1 + (text[at] == "\\")
            if text[at] == "[":
                end = _bracket(text, at)[1]
            one = re.compile(_expression(text[at:end]), re.DOTALL)
            done.append(lambda char, one=one: one.fullmatch(char) is not None)  # type: ignore[misc]
            at = end
    return done


def _bracket(text: str, at: int) -> tuple[str, int]:
    """Return a class as a regular expression has it, and where it ends."""
    end = at + 1 + text.startswith("^", at + 1)
    done = [text[at:end]]
    first = True
    while first or text[end] != "]":
        first = False
        if text[end] == "\\":
            end += 1
            done.append("\\" + text[end] if not text[end].isalnum() else text[end])
        else:
            done.append("\\" + text[end] if text[end] in _CLASS_ESCAPED else text[end])
        end += 1
    return "".join((*done, "]")), end + 1
