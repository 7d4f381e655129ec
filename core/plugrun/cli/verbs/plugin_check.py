"""``plugrun plugin check``."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from plugrun.authoring.card import FORMS, card
from plugrun.authoring.check import Addresses, check, find_plugin
from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print the card; return 0 if the contract is kept, else 1."""
    v = parsed.values
    if v["format"] not in FORMS:
        raise InvalidArgument(f'invalid --format "{v["format"]}": one of {", ".join(FORMS)}')
    kind = parsed.args[0] if len(parsed.args) == 2 else ""
    plugin = find_plugin(kind, parsed.args[-1], options.root, options.run_root)
    addresses = Addresses(v["address"], v["missing"])
    given = dict(map(_pair, v["option"]))
    with _Shown(f"{plugin.kind} {plugin.name}") as shown:
        checked = check(plugin, given, addresses, v["only"], shown)
    if v["log"]:
        with open(v["log"], "w", encoding="utf-8") as file:
            file.write(checked.output)
    if checked.broken:
        output.error(checked.output.rstrip())
    output.write(card(checked, v["format"]))
    return 0 if checked.ok else 1


class _Shown:
    """Progress on standard error: a line that changes on a terminal, else failures as they come."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_terminal = sys.stderr.isatty()
        self._total = self._finished = self._failed = 0

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._write("\r\x1b[K")

    def collected(self, total: int) -> None:
        """Say what is going to happen."""
        self._total = total
        self._write(f"Checking {self._what}: {total} tests{'' if self._is_terminal else chr(10)}")

    def finished(self, name: str, *, failed: bool) -> None:
        """Count, and name what failed."""
        self._finished += 1
        self._failed += failed
        if failed:
            start = "\r\x1b[K" if self._is_terminal else ""
            self._write(f"{start}failed: {name}\n")
        if self._is_terminal:
            told = f", {self._failed} failed" if self._failed else ""
            self._write(f"\rChecking {self._what}: {self._finished} of {self._total} tests{told}")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument(f'invalid option "{text}": it must be KEY=VALUE')
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidArgument(f'invalid option "{text}": {error}') from None
