"""``plugrun logout``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Forget the name and password for a registry; it is no failure if there are none."""
    registry = open_engine(options).open_registry("".join(parsed.args))
    try:
        output.line(f"Removing login credentials for {registry.server}")
        registry.logout()
    finally:
        registry.close()
    return 0
