"""``run``: pull if missing, create, start, pass output and exit code on, clean up."""

from __future__ import annotations

import os

from plugrun.engine.client import Wishes
from plugrun.engine.create import attached_streams, create
from plugrun.engine.detachkeys import detach_keys
from plugrun.engine.images import find_image
from plugrun.engine.plumbing import lay
from plugrun.engine.starter import Starter
from plugrun.engine.stopwatch import Stopwatch
from plugrun.errors import (
    InvalidArgument,
    NoSuchImage,
    NotATerminal,
    OutputLost,
    PlugrunError,
    UsageError,
)
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.arrival import PullObserver
    from plugrun.engine.engine import Engine
    from plugrun.engine.request import RunRequest
    from plugrun.model.container import Container
    from plugrun.model.image import Image


@record
class RunOutcome:
    """What became of a run; ``exit_code`` is 0 for a detached one.

    ``stages`` are milliseconds by stage, for ``--timings``.
    """

    container_id: str
    exit_code: int
    stages: tuple[tuple[str, float], ...] = ()


def run(
    engine: Engine, request: RunRequest, observer_factory: Callable[[], PullObserver]
) -> RunOutcome:
    """Run a container of an image; return when it has ended, or has started if detached."""
    check_request(request)
    if request.tty and request.interactive and not request.detach and not os.isatty(0):
        raise NotATerminal(
            "the input device is not a TTY", hint="leave -t out, or run it in a terminal"
        )
    clock = Stopwatch()
    plumbing = lay(terminal=request.tty, interactive=request.interactive)
    wishes = None if request.detach else _wishes(request)
    starter = Starter(engine, clock, plumbing, wishes=wishes)
    clock.mark("monitor")
    image = local_image(engine, request, observer_factory)
    clock.mark("image")
    container = create(engine, request, image, starter.monitor)
    write_cidfile(request, container)
    clock.mark("container")
    if wishes is not None:
        engine.emit_container("attach", container)
    try:
        code = starter.start(container)
    except OutputLost:
        raise
    except PlugrunError:
        if container.auto_remove:
            from plugrun.engine.discard import discard, forget_locks

            discard(engine, container)
            forget_locks(engine, container.id)
        raise
    return RunOutcome(container.id, code, tuple(clock.stages))


def _wishes(request: RunRequest) -> Wishes:
    """Return how the caller is to be attached."""
    return Wishes(attached_streams(request), detach_keys(request.detach_keys), request.sig_proxy)


def check_request(request: RunRequest) -> None:
    """Refuse what does not fit together, or not here."""
    if request.cidfile and os.path.exists(request.cidfile):
        raise UsageError(
            f"container ID file found, make sure the other container isn't running or delete "
            f"{request.cidfile}"
        )
    if request.pull not in ("missing", "always", "never"):
        raise InvalidArgument(
            f'invalid pull option: "{request.pull}": must be one of "always", "missing" or "never"'
        )


def local_image(
    engine: Engine, request: RunRequest, observer_factory: Callable[[], PullObserver]
) -> Image:
    """Return the image a request names; pull it by the request's rule."""
    if request.pull != "always":
        try:
            image = find_image(engine, request.image)
            if request.platform is None or image.platform == str(request.platform):
                return image
        except NoSuchImage:
            if request.pull == "never":
                raise
    from plugrun.engine.pull import pull

    observer = observer_factory()
    pulled = pull(engine, request.image, request.platform, observer)
    found = engine.metadata.image(pulled.image)
    if found is None:
        raise NoSuchImage(f"No such image: {request.image}", hint="it was removed just now")
    return found


def write_cidfile(request: RunRequest, container: Container) -> None:
    """Write the ID where ``--cidfile`` wants it; a file that is there is not overwritten."""
    if request.cidfile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(request.cidfile, flags, 0o644)
        os.write(fd, container.id.encode())
        os.close(fd)
