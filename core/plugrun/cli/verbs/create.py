"""``plugrun create``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.requests import run_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cli.options import Parsed
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import GlobalOptions


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make a container and print its ID."""
    request = run_request(parsed)
    from plugrun.engine.create_only import create_only
    from plugrun.engine.engine import open_configured

    def observer() -> PullObserver:
        from plugrun.cli.pulling import run_observer

        return run_observer(request)

    output.line(create_only(open_configured(options), request, observer))
    return 0
