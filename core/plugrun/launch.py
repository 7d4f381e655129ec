"""The ``plugrun`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return its exit code."""
    from plugrun.cli.main import main as run

    return run(sys.argv[1:])
