"""``plugrun exec``."""

from __future__ import annotations

from plugrun.cli.requests import exec_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cli.options import Parsed
    from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Run a command in a running container; return its exit code."""
    request = exec_request(parsed)
    from plugrun.engine.engine import open_engine
    from plugrun.engine.execs.exec import exec_in

    return exec_in(open_engine(options), request)
