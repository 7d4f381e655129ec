"""``plugrun plugin new``."""

from __future__ import annotations

from plugrun.authoring.new import new_project
from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Write the project, and say what to do with it."""
    kind, name = parsed.args
    folder = parsed.values["to"] or f"plugrun-{name}"
    for path in new_project(kind, name, folder):
        output.line(f"{folder}/{path}")
    output.line(f"\ncd {folder}; pip install -e '.[test]'; pytest")
    output.line("(if this plugrun is from a checkout: pip install PATH-OF-PLUGRUN first)")
    return 0
