"""What can stand under the cursor of a half-written line."""

from __future__ import annotations

from plugrun.cli.commands import GROUPS, UNLISTED, by_path
from plugrun.cli.completion.objects import containers, images, volumes
from plugrun.cli.completion.reading import Cursor, read_line
from plugrun.cli.options import FLAG, Command
from plugrun.errors import PlugrunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from plugrun.engine.request import GlobalOptions

    Reader = Callable[[Mapping[str, Any]], GlobalOptions]

_ON_RUNNING = frozenset(("attach", "exec", "kill", "pause", "stop", "top", "stats"))
_ON_STOPPED = frozenset(("start",))

# Values of options that are one of a few words.
_WORDS = {
    "format": ("json", "table"),
    "log-driver": ("json-file", "none"),
    "network": ("none", "host", "default"),
    "pull": ("always", "missing", "never"),
    "restart": ("no", "on-failure", "always", "unless-stopped"),
    "type": ("container", "image", "volume"),
}


def candidates(words: Sequence[str], options: Reader) -> list[str]:
    """Return what the last of the words may become; ``options`` reads what was said before.

    Whatever fails (no root, a locked database) is no candidate: a shell has no place for errors.
    """
    tables = by_path()
    if words[0] == "help" and len(words) > 1:
        words = words[1:]
    cursor = read_line(words, tables, GROUPS)
    try:
        found = _found(cursor, tables, options)
    except (PlugrunError, OSError):
        return []
    return [cursor.start + one for one in sorted(set(found)) if one.startswith(cursor.word)]


def _found(cursor: Cursor, tables: Mapping[str, Command], options: Reader) -> Iterable[str]:
    if cursor.option is not None:
        return _values(cursor, options)
    if cursor.table is not None and cursor.word.startswith("-") and not cursor.ended:
        return _options(cursor.table)
    if not cursor.path:
        return ({path for path in tables if " " not in path} | set(GROUPS)) - UNLISTED
    if cursor.path in GROUPS and not cursor.args:
        group = f"{cursor.path} "
        listed = [path for path in tables if path.startswith(group) and path not in UNLISTED]
        return [path.removeprefix(group) for path in listed]
    return [] if cursor.table is None else _arguments(cursor.table, cursor, options)


def _options(table: Command) -> list[str]:
    return [*(f"--{option.name}" for option in table.every if not option.hidden), "--help"]


def _values(cursor: Cursor, options: Reader) -> Iterable[str]:
    assert cursor.option is not None
    if cursor.option.kind == FLAG:
        return ("true", "false")
    if cursor.option.name == "volumes-from":
        return containers(options(cursor.said), "")
    return _WORDS.get(cursor.option.name, ())


def _arguments(table: Command, cursor: Cursor, options: Reader) -> Iterable[str]:
    """Return names of what the usage of a command says its next argument is."""
    kind = _kind(table.usage, len(cursor.args))
    if not kind:
        return ()
    here = options(cursor.said)
    name = table.name.rpartition(" ")[2]
    state = "running" if name in _ON_RUNNING else "stopped" if name in _ON_STOPPED else ""
    found: list[str] = []
    if "CONTAINER" in kind or "NAME|ID" in kind:
        found += containers(here, state)
    if "IMAGE" in kind or "REPOSITORY" in kind or "NAME|ID" in kind:
        found += images(here)
    if "VOLUME" in kind:
        found += volumes(here)
    if "SHELL" in kind:
        found += ("bash", "zsh", "fish")
    return (name for name in found if name not in cursor.args)


def _kind(usage: str, number: int) -> str:
    """Return the word of a usage line for the argument of a number; the last may repeat."""
    words = [word for word in usage.split() if word != "[OPTIONS]"]
    if number < len(words):
        return words[number]
    return words[-1] if words and words[-1].endswith("...]") else ""
