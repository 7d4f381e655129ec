"""Parser directives: ``# escape=``, ``# syntax=`` and ``# check=`` at the very top of a Dockerfile.

They end at the first line that is none; each may stand there once. Docker fetches the program that
``syntax`` names; here it is read and otherwise of no effect, as the parser is the newest already.
"""

from __future__ import annotations

from plugrun.dockerfile.characters import SPACES
from plugrun.errors import InvalidArgument
from plugrun.model.record import record

_KNOWN = ("syntax", "escape", "check")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME = _LETTERS | frozenset("0123456789")
_ESCAPES = ("\\", "`")


class Directives:
    """Takes the lines from the top on; ``found`` are the directives' values."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._over = False

    @property
    def escape(self) -> str:
        """The character that escapes, and that continues a line."""
        return self.found.get("escape", "\\")

    def take(self, line: str) -> bool:
        """Say whether a line is a directive; raise InvalidArgument on one that cannot be."""
        name, value = ("", "") if self._over else _parsed(line)
        if name not in _KNOWN:
            self._over = True
            return False
        if name in self.found:
            raise InvalidArgument(f"only one {name} parser directive can be used")
        if name == "escape" and value not in _ESCAPES:
            raise InvalidArgument(f"invalid escape token '{value}' does not match ` or \\")
        self.found[name] = value
        return True


def _parsed(line: str) -> tuple[str, str]:
    """Return the name, in lower case, and value of ``# NAME = VALUE``; of other lines nothing."""
    if not line.startswith("#"):
        return "", ""
    name, equals, value = line[1:].lstrip(SPACES).partition("=")
    name, value = name.rstrip(SPACES).lower(), value.strip(SPACES)
    fits = bool(name) and name[0] in _LETTERS and _NAME.issuperset(name)
    return (name, value) if equals and value and fits else ("", "")


@record
class CheckOptions:
    """``# check=skip=A,B;error=true``: which checks are left out, and whether one is an error."""

    skipped: frozenset[str] = frozenset()
    error: bool = False


def check_options(text: str) -> CheckOptions:
    """Return what ``# check=`` says; raise InvalidArgument in Docker's words."""
    skipped: frozenset[str] = frozenset()
    failing = False
    for part in text.partition(" ")[0].split(";", 2) if text else ():
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name not in ("skip", "error", "experimental"):
            raise InvalidArgument(f'failed to parse check options: invalid check option "{part}"')
        if name == "skip":
            skipped = frozenset(word.strip() for word in value.split(","))
        elif name == "error":
            failing = _true(part, value)
    return CheckOptions(skipped, failing)


def _true(part: str, value: str) -> bool:
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise InvalidArgument(f'failed to parse check options: failed to parse check option "{part}"')
