"""``plugrun rename``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import describe
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_configured
from plugrun.engine.rename import rename
from plugrun.engine.request import GlobalOptions
from plugrun.errors import PlugrunError


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Give a container another name."""
    old, new = parsed.args
    engine = open_configured(options)
    try:
        rename(engine, old, new)
    except PlugrunError as error:
        output.error(describe(error))
        if old.strip() and new.strip():
            output.error(f"Error: failed to rename container named {old}")
        return 1
    return 0
