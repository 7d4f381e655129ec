"""``plugrun exec``."""

from __future__ import annotations

from plugrun.cli.requests import exec_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.cli.options import Parsed
    from plugrun.engine.request import GlobalOptions
    from plugrun.model.container import Container


def main(options: GlobalOptions, parsed: Parsed) -> int:
    """Run a command in a running container; return its exit code."""
    request = exec_request(parsed)
    from plugrun.engine.engine import open_configured
    from plugrun.engine.execs.exec import exec_in

    return exec_in(open_configured(options), request, _out_of_reach)


def _out_of_reach(container: Container) -> None:
    """Let nobody in a container who may look at its processes get at the host's interpreter."""
    security = container.security
    if security.privileged or "CAP_SYS_PTRACE" in security.cap_add or "ALL" in security.cap_add:
        from plugrun.linux.ownprogram import execute_read_only

        execute_read_only()
