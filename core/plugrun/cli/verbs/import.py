"""``plugrun import``."""

from __future__ import annotations

import os

from plugrun.cli import output
from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.cli.requests import platform
from plugrun.engine.engine import Engine
from plugrun.engine.heal import heal_storage, open_healed
from plugrun.engine.images.importing import ImportRequest, import_file, import_stream
from plugrun.engine.images.webfile import is_url, web_pieces
from plugrun.engine.request import GlobalOptions
from plugrun.layers.failures import found_in
from plugrun.web.addresses import shown_url, without_logins


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make an image of an archive and print its ID."""
    source, name = (*parsed.args, "")[:2]
    values = parsed.values
    shown = shown_url(source) if is_url(source) else source
    message = (
        values["message"] or f"Imported from {without_logins(source) if is_url(source) else '-'}"
    )
    wanted = platform(values["platform"])
    request = ImportRequest(name, message, tuple(values["change"]), wanted)
    engine = open_healed(options, makes=True)
    heal_storage(engine)
    with found_in("standard input" if source == "-" else shown):
        output.line(_import(engine, request, source))
    return 0


def _import(engine: Engine, request: ImportRequest, source: str) -> str:
    if source == "-":
        return import_file(engine, request, 0)
    if is_url(source):
        return import_stream(engine, request, web_pieces(source))
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SaidError(f"open {source}: {(error.strerror or '').lower()}") from None
    try:
        return import_file(engine, request, fd)
    finally:
        os.close(fd)
