"""``run``: pull if missing, create, start, pass output and exit code on, clean up."""

from __future__ import annotations

import os

from plugrun.engine.asking import attached_streams, check_request, local_image, write_cidfile
from plugrun.engine.attaching.client import Wishes
from plugrun.engine.attaching.detachkeys import detach_keys
from plugrun.engine.plumbing import lay
from plugrun.engine.starter import Starter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.errors import Detached, NotATerminal, OutputLost, PlugrunError
from plugrun.model.network import HOST, NONE
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import RunRequest


@record
class RunOutcome:
    """What became of a run; ``exit_code`` is 0 for a detached one.

    ``stages`` are milliseconds by stage, for ``--timings``.
    """

    container_id: str
    exit_code: int
    stages: tuple[tuple[str, float], ...] = ()


def run(
    engine: Engine,
    request: RunRequest,
    observer_factory: Callable[[], PullObserver],
    failed: Callable[[str], None] | None = None,
) -> RunOutcome:
    """Run a container of an image; return when it has ended, or has started if detached.

    ``failed`` is told the ID of a container that was made and did not start.
    """
    check_request(request)
    if request.tty and request.interactive and not request.detach and not os.isatty(0):
        raise NotATerminal(
            "the input device is not a TTY", hint="leave -t out, or run it in a terminal"
        )
    clock = Stopwatch()
    plumbing = lay(terminal=request.tty, interactive=request.interactive)
    wishes = None if request.detach else _wishes(request)
    networked = request.network not in (NONE, HOST)
    starter = Starter(engine, clock, plumbing, wishes=wishes, networked=networked)
    clock.mark("monitor")
    # Loaded now, while the monitor loads what it needs.
    from plugrun.engine.create import create

    image = local_image(engine, request, observer_factory)
    clock.mark("image")
    container = create(engine, request, image, starter.monitor, observer_factory)
    write_cidfile(request, container)
    clock.mark("container")
    if wishes is not None:
        engine.emit_container("attach", container)
    try:
        code = starter.start(container)
    except (Detached, OutputLost):
        raise  # it goes on
    except PlugrunError:
        if failed is not None:
            failed(container.id)
        if container.auto_remove:
            from plugrun.engine.discard import discard, forget_locks

            discard(engine, container)
            forget_locks(engine, container.id)
        raise
    return RunOutcome(container.id, code, tuple(clock.stages))


def _wishes(request: RunRequest) -> Wishes:
    """Return how the caller is to be attached."""
    return Wishes(attached_streams(request), detach_keys(request.detach_keys), request.sig_proxy)
