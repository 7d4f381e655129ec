"""``plugrun search``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.listing import render
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from plugrun.interfaces.registry import SearchResult

_TABLE = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"
_HEADERS: Mapping[str, Any] = {
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
}
_DESCRIPTION = 45
_MOST = 100
_DEFAULT = 25


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Search a registry: Docker Hub, or the one whose host stands before the term."""
    v = parsed.values
    limit = v["limit"]
    if not 0 <= limit <= _MOST:
        raise InvalidArgument(f"invalid limit {limit}: it must be between 1 and {_MOST}")
    passes = _filter(v["filter"])
    server, term = _split(parsed.args[0])
    registry = open_engine(options).open_registry(server)
    try:
        found = registry.search(term, limit or _DEFAULT)
    finally:
        registry.close()
    rows = [_row(result, v["no_trunc"]) for result in found if passes(result)]
    output.write(render(v["format"], _TABLE, _HEADERS, rows, kind="searchContext"))
    return 0


def _split(text: str) -> tuple[str, str]:
    """Split a term into the registry and what is looked for there."""
    host, slash, rest = text.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return host, rest
    return "", text


def _row(result: SearchResult, full: bool) -> dict[str, Any]:
    description = " ".join(result.description.split("\n"))
    if not full and len(description) > _DESCRIPTION:
        description = description[: _DESCRIPTION - 1] + "…"
    return {
        "Name": result.name,
        "Description": description,
        "StarCount": str(result.stars),
        "IsOfficial": "[OK]" if result.official else "",
        "IsAutomated": "[OK]" if result.automated else "",
    }


def _filter(texts: Iterable[str]) -> Callable[[SearchResult], bool]:
    """Return whether a result passes all ``KEY=VALUE`` filters."""
    tests = [_test(*text.partition("=")[::2]) for text in texts]
    return lambda result: all(test(result) for test in tests)


def _test(key: str, value: str) -> Callable[[SearchResult], bool]:
    if key == "stars" and value.isdecimal():
        return lambda result: result.stars >= int(value)
    if key in ("is-official", "is-automated") and value in ("true", "false", "1", "0"):
        wanted = value in ("true", "1")
        if key == "is-official":
            return lambda result: result.official == wanted
        return lambda result: result.automated == wanted
    if key in ("stars", "is-official", "is-automated"):
        raise InvalidArgument(f"Invalid filter '{key}={value}'")
    raise InvalidArgument(
        f"Invalid filter '{key}'", hint="known filters: is-automated, is-official, stars"
    )
