"""``plugrun port``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.portcells import joined
from plugrun.engine.containers import find_container, is_running
from plugrun.engine.engine import open_configured
from plugrun.engine.inspect.network import published_ports
from plugrun.engine.networks.attached import read_attached
from plugrun.engine.request import GlobalOptions

_MOST = 65535


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Print where a container's ports are published, or one of them."""
    name, *wanted = parsed.args
    text = "".join(wanted)
    engine = open_configured(options)
    container = find_container(engine, name)
    if text:
        check_port(text)
    attached = read_attached(engine, container.id) if is_running(engine, container.id) else None
    found = sorted(
        (f"{port.port}/{port.protocol}", joined(port.host_address, port.host_port))
        for port in (published_ports(attached) if attached else ())
    )
    if not text:
        output.write("".join(f"{inner} -> {outer}\n" for inner, outer in found))
        return 0
    number, _, protocol = text.partition("/")
    outers = [outer for inner, outer in found if inner == f"{number}/{protocol or 'tcp'}"]
    if not outers:
        raise SaidError(f"Error: No public port '{text}' published for {name}")
    output.write("".join(f"{outer}\n" for outer in outers))
    return 0


def check_port(text: str) -> None:
    """Raise SaidError, in Docker's words, unless a text is ``PORT`` or ``PORT/PROTOCOL``."""
    number = text.partition("/")[0]
    why = "invalid syntax"
    if number.isascii() and number.isdigit():
        if int(number) <= _MOST:
            return
        why = "value out of range"
    raise SaidError(f'Error: invalid port ({number}): strconv.ParseUint: parsing "{number}": {why}')
