"""``plugrun plugin check``."""

from __future__ import annotations

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
    checked = check(plugin, dict(map(_pair, v["option"])), addresses, v["only"])
    if v["log"]:
        with open(v["log"], "w", encoding="utf-8") as file:
            file.write(checked.output)
    if checked.broken:
        output.error(checked.output.rstrip())
    output.write(card(checked, v["format"]))
    return 0 if checked.ok else 1


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument(f'invalid option "{text}": it must be KEY=VALUE')
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InvalidArgument(f'invalid option "{text}": {error}') from None
