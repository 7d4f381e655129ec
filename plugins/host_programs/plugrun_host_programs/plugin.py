"""The hooks. What builds the image is imported when one is asked for."""

from __future__ import annotations

from plugrun.api import InvalidArgument, Option, split_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Transport

SCHEME = "host"


def plugrun_options() -> tuple[Option, ...]:
    """No key may be set."""
    return ()


def plugrun_open_transport(address: str, options: Mapping[str, Any]) -> Transport | None:
    """Open ``host:PROGRAM,…``: names to look up in PATH, or absolute paths."""
    scheme, rest = split_address(address)
    if scheme != SCHEME:
        return None
    programs = tuple(dict.fromkeys(rest.split(",")))
    for program in programs:
        if not program.isprintable() or not _is_name(program):
            raise InvalidArgument(
                f"{program!r} in {address!r} is neither a program's name nor an absolute path",
                hint="write it as host:sh,ls,/usr/bin/env",
            )
    from plugrun_host_programs.transport import HostPrograms

    return HostPrograms(programs)


def _is_name(program: str) -> bool:
    if "/" in program:
        return program.startswith("/") and not program.endswith("/")
    return program not in ("", ".", "..")
