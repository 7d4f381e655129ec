"""A process for a stage that has something to do, beside those of other stages.

It is forked off the builder, which has no threads, and does one step after another; what each came
to goes back through a pipe, what it wrote through another. It has a mount namespace of its own:
what it mounts for a step goes with it. When the builder dies it is told so, and cleans up.
"""

from __future__ import annotations

import errno
import os

from plugrun.engine.build.making import Attempt
from plugrun.engine.build.state import Outcome
from plugrun.engine.build.steps import CommandFailed
from plugrun.engine.build.workerevents import Begun, Broken, Made
from plugrun.engine.report import error_of
from plugrun.errors import PlugrunError
from plugrun.linux.mounting import MS_PRIVATE, MS_REC, mount
from plugrun.linux.process import CLONE_NEWNS, PR_SET_PDEATHSIG, prctl, unshare
from plugrun.linux.signals import raw as signals
from plugrun.linux.writing import write_all
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import as_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending, StageRun

_PIECE = 65536


class Worker:
    """The process of one stage, from the builder's side; ``attempt`` is its first step."""

    def __init__(self, site: Site, stage: StageRun, pending: Pending, attempt: Attempt) -> None:
        self.stage = stage
        self._rest = b""
        site.engine.close_metadata()
        events, tell = os.pipe2(os.O_CLOEXEC)
        output, write = os.pipe2(os.O_CLOEXEC)
        builder = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _Child(site, stage, tell).serve(pending, attempt, write, builder)
        os.close(tell)
        os.close(write)
        os.set_blocking(output, False)
        self.events = events
        self.output = output

    def read_output(self) -> bytes:
        """Return what has been written so far; nothing at the end, too."""
        try:
            return os.read(self.output, _PIECE)
        except BlockingIOError:
            return b""

    def read_events(self) -> list[Begun | Made | Broken] | None:
        """Return what has happened, None if the process has ended; blocks if there is nothing."""
        data = os.read(self.events, _PIECE)
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_event(loads(line)) for line in lines]

    def stop(self) -> None:
        """Ask it to give up and to clean up."""
        os.kill(self.pid, signals.SIGTERM)  # our child: its PID is its own until we wait

    def close(self) -> int:
        """Wait for its end; return how it ended, as ``os.waitstatus_to_exitcode`` has it."""
        os.close(self.events)
        os.close(self.output)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _event(message: dict[str, Any]) -> Begun | Made | Broken:
    if "begun" in message:
        return Begun(message["begun"])
    if "made" in message:
        return Made(Outcome(**message["made"]))
    kept = message["kept"]
    return Broken(error_of(message), Outcome(**kept) if kept else None)


class _Child:
    """The other side. ``serve`` does not return."""

    def __init__(self, site: Site, stage: StageRun, tell: int) -> None:
        self._site = site
        self._stage = stage
        self._tell = tell

    def serve(self, pending: Pending, attempt: Attempt, output: int, builder: int) -> NoReturn:
        code = 1
        try:
            _settle(output, builder)
            self._work(pending, attempt)
            code = 0
        except KeyboardInterrupt:
            code = 130
        except Exception as error:  # noqa: BLE001  (told to the builder, which raises it)
            self._failed(error)
        finally:
            os._exit(code)

    def _work(self, pending: Pending | None, attempt: Attempt | None) -> None:
        while pending is not None:
            self._send({"begun": pending.shown})
            attempt = attempt or Attempt(self._site, self._stage, pending)
            outcome = attempt.find() if attempt.is_new else None
            outcome = outcome or attempt.make()
            self._send({"made": as_json(outcome)})
            self._stage.apply(outcome)
            pending, attempt = self._stage.pending(), None

    def _failed(self, error: Exception) -> None:
        kept = error.kept if isinstance(error, CommandFailed) else None
        kind = type(error).__name__ if isinstance(error, PlugrunError) else ""
        hint = error.hint if isinstance(error, PlugrunError) else ""
        message = str(error) if kind else f"internal error: {type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno:
            # What the kernel refuses is the machine's matter, or the Dockerfile's.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            kind, name = "NoSpace" if full else "PlugrunError", error.filename
            where = f"{os.fsdecode(name)}: " if isinstance(name, (str, bytes)) else ""
            message = f"{where}{os.strerror(error.errno)}"
        self._send({"error": kind, "message": message, "hint": hint, "kept": as_json(kept)})

    def _send(self, message: dict[str, Any]) -> None:
        write_all(self._tell, dumps(message).encode() + b"\n")


def _settle(output: int, builder: int) -> None:
    """Be a worker: told of the builder's end, with streams and mounts of its own."""
    for number in (signals.SIGINT, signals.SIGTERM):
        signals.signal(number, _give_up)
    prctl(PR_SET_PDEATHSIG, signals.SIGTERM)
    if os.getppid() != builder:
        raise KeyboardInterrupt
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    for fd, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, fd)
    unshare(CLONE_NEWNS)
    mount("", "/", "", MS_REC | MS_PRIVATE)


def _give_up(number: int, frame: object) -> None:
    """Clean up and end; a second signal does not disturb that."""
    for one in (signals.SIGINT, signals.SIGTERM):
        signals.signal(one, signals.SIG_IGN)
    raise KeyboardInterrupt
