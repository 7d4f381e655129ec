"""The ``plugrun`` command."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; return its exit code, or end the process with it at once.

    Taking the interpreter down costs 1.2 ms, an eighth of what comes before a container. Where no
    threads were ever loaded there is nothing to wind up, and all output has been handed over.
    """
    from plugrun.cli.main import main as run

    code = run(sys.argv[1:])
    if "threading" not in sys.modules:
        os._exit(code)
    return code
