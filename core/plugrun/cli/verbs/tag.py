"""``plugrun tag``."""

from __future__ import annotations

from plugrun.cli.failure import SaidError
from plugrun.cli.options import Parsed
from plugrun.engine.engine import open_configured
from plugrun.engine.images.tag import parse_target, tag
from plugrun.engine.request import GlobalOptions
from plugrun.errors import InvalidArgument


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Give an image one more name."""
    source, target = parsed.args
    try:
        parse_target(target)
    except InvalidArgument as error:
        raise SaidError(error.message, hint=error.hint) from None
    tag(open_configured(options), source, target)
    return 0
