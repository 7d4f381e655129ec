"""One act on several objects: what fails does not keep the rest from being done."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from plugrun.cli import output
from plugrun.cli.failure import describe
from plugrun.errors import PlugrunError


def each(names: Iterable[str], act: Callable[[str], str]) -> int:
    """Act on each name and print what the act returns; then print the errors. Return 0 or 1."""
    errors = []
    for name in names:
        try:
            said = act(name)
        except PlugrunError as error:
            errors.append(describe(error))
        else:
            if said:
                output.line(said)
    for text in errors:
        output.error(text)
    return 1 if errors else 0
