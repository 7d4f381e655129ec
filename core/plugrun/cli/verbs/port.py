"""``plugrun port``."""

from __future__ import annotations

from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container
from plugrun.engine.engine import open_engine
from plugrun.engine.request import GlobalOptions

_MOST = 65535


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print where a container's ports are published.

    No network here publishes any as yet, so there is nothing to list, and no port is found.
    """
    name, *wanted = parsed.args
    text = "".join(wanted)
    find_container(open_engine(options), name)
    if not text:
        return 0
    check_port(text)
    raise SaidError(f"Error: No public port '{text}' published for {name}")


def check_port(text: str) -> None:
    """Raise SaidError, in Docker's words, unless a text is ``PORT`` or ``PORT/PROTOCOL``."""
    number = text.partition("/")[0]
    why = "invalid syntax"
    if number.isascii() and number.isdigit():
        if int(number) <= _MOST:
            return
        why = "value out of range"
    raise SaidError(f'Error: invalid port ({number}): strconv.ParseUint: parsing "{number}": {why}')
