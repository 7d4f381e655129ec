"""``plugrun logs``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container
from plugrun.engine.heal import open_healed
from plugrun.engine.logs import read_logs
from plugrun.engine.request import GlobalOptions
from plugrun.errors import UsageError


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what a container wrote, each stream to the caller's own."""
    v = parsed.values
    tail = parse_tail(v["tail"])
    engine = open_healed(options)
    container = find_container(engine, parsed.args[0])
    for entry in read_logs(engine, container, v["follow"], tail):
        stamp = f"{entry.time} ".encode() if v["timestamps"] else b""
        output.data(entry.stream, stamp + entry.text)
        if v["follow"]:
            output.flush()
    return 0


def parse_tail(text: str) -> int | None:
    """Return a number of lines, None for all of them."""
    if text == "all" or (text.startswith("-") and text[1:].isdecimal()):
        return None
    if not text.isascii() or not text.isdecimal():
        raise UsageError(f'invalid value "{text}" for --tail', hint='a number of lines, or "all"')
    return int(text)
