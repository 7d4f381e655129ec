"""``plugrun logs``."""

from __future__ import annotations

from collections.abc import Iterator

from plugrun.cli import output
from plugrun.cli.moments import parse_moment
from plugrun.cli.options import Parsed
from plugrun.engine.containers import find_container
from plugrun.engine.heal import open_healed
from plugrun.engine.logs.logs import LogQuery, read_logs, read_output
from plugrun.engine.logs.text import LogLine
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument, UsageError


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print what a container wrote, each stream to the caller's own."""
    v = parsed.values
    query = LogQuery(
        v["follow"],
        parse_tail(v["tail"]),
        _moment("since", v["since"]),
        _moment("until", v["until"]),
    )
    engine = open_healed(options)
    container = find_container(engine, parsed.args[0])
    pieces = read_output(engine, container, query, v["timestamps"])
    if v["details"]:
        pieces = _detailed(read_logs(engine, container, query), v["timestamps"])
    for stream, text in pieces:
        output.data(stream, text)
        if v["follow"]:
            output.flush()
    return 0


def _moment(name: str, text: str) -> int | None:
    try:
        return parse_moment(text) if text else None
    except InvalidArgument as error:
        raise InvalidArgument(f'invalid value for "{name}": {error.message}') from None


def parse_tail(text: str) -> int | None:
    """Return a number of lines, None for all of them."""
    if text == "all" or (text.startswith("-") and text[1:].isdecimal()):
        return None
    if not text.isascii() or not text.isdecimal():
        raise UsageError(f'invalid value "{text}" for --tail', hint='a number of lines, or "all"')
    return int(text)


def _detailed(lines: Iterator[LogLine], timestamps: bool) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        yield line.stream, _before(line, timestamps).encode() + line.text


def _before(line: LogLine, timestamps: bool) -> str:
    """Return what stands before a line."""
    details = f"{_details(line.attrs)} "
    return f"{line.time} {details}" if timestamps else details


def _details(attrs: bytes) -> str:
    if not attrs:
        return ""
    import json
    from urllib.parse import quote_plus

    found = json.loads(attrs)
    return ",".join(f"{quote_plus(key)}={quote_plus(found[key])}" for key in sorted(found))
