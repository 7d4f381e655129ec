"""``run``: pull if missing, create, start, pass output and exit code on, clean up."""

from __future__ import annotations

import os

from plugrun.engine.client import Attachment, Input
from plugrun.engine.create import create
from plugrun.engine.images import find_image
from plugrun.engine.plumbing import lay
from plugrun.engine.report import Reports, error_of
from plugrun.engine.stopwatch import Stopwatch
from plugrun.engine.terminal import RawMode
from plugrun.errors import InvalidArgument, NoSuchImage, NotATerminal, PlugrunError, UsageError
from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from plugrun.engine.engine import Engine
    from plugrun.engine.pull import PullObserver
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
    detached: bool = False


def run(
    engine: Engine, request: RunRequest, observer_factory: Callable[[], PullObserver]
) -> RunOutcome:
    """Run a container of an image; return when it has ended, or has started if detached."""
    _check(request)
    clock = Stopwatch()
    image = local_image(engine, request, observer_factory)
    clock.mark("image")
    container = create(engine, request, image)
    _write_cidfile(request, container)
    clock.mark("container")
    try:
        outcome = _Start(engine, container, clock).run()
    except PlugrunError:
        if container.auto_remove:
            from plugrun.engine.rm import discard

            discard(engine, container)
        raise
    if not container.detached:
        from plugrun.engine.heal import heal

        heal(engine)
    return outcome


def _check(request: RunRequest) -> None:
    if request.tty and request.interactive and not request.detach and not os.isatty(0):
        raise NotATerminal(
            "the input device is not a TTY", hint="leave -t out, or run it in a terminal"
        )
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


def _write_cidfile(request: RunRequest, container: Container) -> None:
    if request.cidfile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(request.cidfile, flags, 0o644)
        os.write(fd, container.id.encode())
        os.close(fd)


class _Start:
    """Fork the monitor, then attend to the container or leave."""

    def __init__(self, engine: Engine, container: Container, clock: Stopwatch) -> None:
        self._engine = engine
        self._container = container
        self._clock = clock
        self._exit: int | None = None
        self._attachment: Attachment | None = None
        self._own: list[tuple[str, float]] = []

    def run(self) -> RunOutcome:
        container = self._container
        self._plumbing = lay(terminal=container.tty, interactive=container.open_stdin)
        # SQLite's locks do not survive a fork; both sides open the database again if they need it.
        self._engine.close_metadata()
        report_read, report_write = os.pipe2(os.O_CLOEXEC)
        lifeline_read, lifeline_write = os.pipe2(os.O_CLOEXEC)
        if os.fork() == 0:
            os.close(report_read)
            os.close(lifeline_write)
            self._supervise(report_write, lifeline_read)
        os.close(report_write)
        os.close(lifeline_read)
        self._plumbing.close_inner()
        self._plumbing.close_outputs()
        self._reports = Reports(report_read)
        return self._detached() if container.detached else self._attached()

    def _supervise(self, report: int, lifeline: int) -> None:
        from plugrun.engine.supervise import Supervision

        if self._container.detached:
            os.close(lifeline)
            lifeline = -1
        Supervision(self._engine, self._container, self._plumbing, report, lifeline).serve()

    def _detached(self) -> RunOutcome:
        while not self._handle_reports():
            pass
        if self._plumbing.input >= 0:
            os.close(self._plumbing.input)
        return self._outcome(0, detached=True)

    def _attached(self) -> RunOutcome:
        container, plumbing = self._container, self._plumbing
        source = None
        if container.open_stdin:
            source = Input(plumbing.input, terminal=container.tty)
        terminal = 0 if container.tty and os.isatty(0) else -1
        self._attachment = Attachment(source, terminal, plumbing.input)
        try:
            if terminal >= 0 and container.open_stdin:
                with RawMode(terminal):
                    ended = self._attend()
            else:
                ended = self._attend()
        finally:
            self._attachment.close()
        return self._outcome(self._exit or 0, detached=not ended)

    def _attend(self) -> bool:
        assert self._attachment is not None
        return self._attachment.wait((self._reports.fd,), lambda _: self._handle_reports())

    def _handle_reports(self) -> bool:
        """Take what the monitor says; True when there is nothing more to wait for."""
        messages = self._reports.read()
        if messages is None:
            raise PlugrunError(
                f"the monitor of container {self._container.short_id} was killed",
                hint="`plugrun ps -a` shows what became of it",
            )
        over = [self._handle(message) for message in messages]
        return any(over)

    def _handle(self, message: dict[str, Any]) -> bool:
        if "error" in message:
            raise error_of(message)
        if "exit" in message:
            self._exit = message["exit"]
            self._clock.stages = [*self._own, *_stages(message)]
            return True
        self._own = list(self._clock.stages)
        self._clock.stages = [*self._own, *_stages(message)]
        if self._attachment is not None:
            self._attachment.process(message["started"])
        return self._container.detached

    def _outcome(self, code: int, *, detached: bool) -> RunOutcome:
        return RunOutcome(self._container.id, code, tuple(self._clock.stages), detached)


def _stages(message: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, milliseconds) for name, milliseconds in message["stages"]]
