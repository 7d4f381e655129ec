"""``plugrun run``."""

from __future__ import annotations

from plugrun.cli import output
from plugrun.cli.requests import run_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cli.options import Parsed
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import GlobalOptions, RunRequest
    from plugrun.engine.run import RunOutcome


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Make a container and run a command in it; return the command's exit code."""
    request = run_request(parsed)
    if parsed.values["explain"]:
        return _explain(options, request)
    from plugrun.engine.engine import open_engine
    from plugrun.engine.run import run

    # Docker's command tells the ID of one that it could not start in the background, too.
    failed = output.line if request.detach else None
    outcome = run(open_engine(options), request, lambda: _observer(request), failed)
    if request.detach or request.attach == ("stdin",):
        output.line(outcome.container_id)
    if parsed.values["timings"]:
        _timings(outcome)
    return outcome.exit_code


def _explain(options: GlobalOptions, request: RunRequest) -> int:
    from plugrun.engine.engine import open_engine
    from plugrun.engine.explain import explain

    output.line(explain(open_engine(options), request).rstrip("\n"))
    return 0


def _observer(request: RunRequest) -> PullObserver:
    from plugrun.cli.pulling import run_observer

    return run_observer(request)


def _timings(outcome: RunOutcome) -> None:
    stages = (*outcome.stages, ("total", sum(ms for _, ms in outcome.stages)))
    wide = max(len(name) for name, _ in stages)
    output.error("\n".join(f"{name:<{wide}} {ms:9.3f} ms" for name, ms in stages))
