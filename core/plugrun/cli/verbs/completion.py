"""``plugrun completion``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.completion.shells import SHELLS, script
from plugrun.cli.options import Parsed
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print the script that a shell completes plugrun's command lines with."""
    [shell] = parsed.args
    if shell not in SHELLS:
        raise InvalidArgument(f'unknown shell: "{shell}"', hint="one of bash, zsh, fish")
    output.write(script(shell))
    return 0
