"""Cells at work: as many at a time as asked for, each in a session of its own.

One thread: it waits for the end of a command, for the next time limit, or for a signal.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from plugrun.engine.reaper import Reaper
from plugrun.matrix.ability import why_not
from plugrun.matrix.cell import FAILED, INTERRUPTED, PASSED, SKIPPED, TIMED_OUT, Result
from plugrun.matrix.workplace import Workplace
from plugrun.model.record import record

_TICK = 0.5  # seconds between two looks of a board that moves
GRACE = 10.0  # seconds from the signal that asks to SIGKILL


@record
class Limits:
    """``jobs`` cells at a time; ``timeout`` seconds a cell, 0 for any; ``grace`` seconds for one
    that is told to end; ``fail_fast`` is to stop everything at the first failure."""

    jobs: int = 1
    timeout: float = 0.0
    fail_fast: bool = False
    grace: float = GRACE


class Running:
    """One cell's command, and when it is to be ended."""

    def __init__(self, place: Workplace, command: Sequence[str], limits: Limits) -> None:
        timeout = limits.timeout
        self.place = place
        self.began = time.time()
        self._clock = time.monotonic()
        self._deadline = self._clock + timeout if timeout else 0.0
        self._why = ""
        self._reason = ""
        self._limits = limits
        with open(place.log, "wb") as log:
            self.process = subprocess.Popen(
                [*place.cell.through, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(place.environ),
                start_new_session=True,
            )
        self.pidfd = os.pidfd_open(self.process.pid)

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._clock

    def due(self) -> float:
        """Return the seconds until something must be done about it, or infinity."""
        return max(self._deadline - time.monotonic(), 0.0) if self._deadline else float("inf")

    @property
    def is_told(self) -> bool:
        """Whether it has been asked to end."""
        return bool(self._why)

    def enforce(self) -> None:
        """End it if its time is over: SIGTERM first, SIGKILL when that has had its time."""
        if self.due() == 0.0:
            self.end(TIMED_OUT)

    def end(self, why: str, number: int = signal.SIGTERM) -> None:
        """Ask the command's session to end, with a signal; ask again, and it is killed."""
        if self._why:
            number = signal.SIGKILL
        else:
            late = f"it was not done after {self._limits.timeout:g} s"
            self._reason = late if why == TIMED_OUT else "the matrix was stopped"
        self._why = self._why or why
        self._deadline = time.monotonic() + self._limits.grace
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def result(self) -> Result:
        """Return what came of it; only once it has ended."""
        status = self.process.wait()
        seconds = self.seconds
        os.close(self.pidfd)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what it left in the background
        code = status if status >= 0 else 128 - status
        state, reason = PASSED, ""
        if self._why:
            state, reason = self._why, self._reason
        elif code:
            state = FAILED
            reason = f"exit code {code}" if status > 0 else f"killed by signal {-status}"
        log = self.place.log
        return Result(self.place.cell, state, code, seconds, self.began, reason, log)


class Runner:
    """All cells of a matrix. ``results`` fills up in the order in which they end."""

    def __init__(
        self, places: Sequence[Workplace], command: Sequence[str], limits: Limits, reaper: Reaper
    ) -> None:
        self._waiting = list(places)
        self._command = command
        self._limits = limits
        self._reaper = reaper
        self._interrupted = False
        self._number = int(signal.SIGTERM)
        self.running: list[Running] = []
        self.results: list[Result] = []

    def run(self, tell: Callable[[Runner], None]) -> list[Result]:
        """Run to the end; ``tell`` is called whenever something has changed, and twice a second.

        SIGINT and SIGTERM are passed on to what runs, and what would have come is not begun: the
        second one kills.
        """
        with _signals(self._interrupt) as wake:
            while self._waiting or self.running:
                self._start_some()
                tell(self)
                self._wait(wake)
            tell(self)
        return self.results

    def _start_some(self) -> None:
        while self._waiting and len(self.running) < self._limits.jobs:
            place = self._waiting.pop(0)
            if self._interrupted:
                self.results.append(Result(place.cell, INTERRUPTED, reason="never started"))
                continue
            reason = why_not(place)
            if reason:
                self.results.append(Result(place.cell, SKIPPED, reason=reason))
                continue
            self._start(place)

    def _start(self, place: Workplace) -> None:
        self._reaper.watch_root(
            place.root, place.run_root, place.environ.get("PLUGRUN_CONFIG", ""), place.cell.profile
        )
        try:
            running = Running(place, self._command, self._limits)
        except OSError as error:
            reason = f"{self._command[0]}: {error.strerror}"
            code = 126 if isinstance(error, PermissionError) else 127
            self.results.append(Result(place.cell, FAILED, code, reason=reason))
            return
        self._reaper.watch_group(running.process.pid)
        self.running.append(running)
        # While it was being started it was not yet among those that are told.
        if self._interrupted and not running.is_told:
            running.end(INTERRUPTED, self._number)

    def _wait(self, wake: int) -> None:
        if not self.running:
            return
        due = min(running.due() for running in self.running)
        fds = [running.pidfd for running in self.running]
        ready, _, _ = select.select([*fds, wake], [], [], min(due, _TICK))
        if wake in ready:
            os.read(wake, 4096)
        for running in list(self.running):
            if running.pidfd in ready:
                self.running.remove(running)
                self._ended(running.result())
            else:
                running.enforce()

    def _ended(self, result: Result) -> None:
        self.results.append(result)
        if result.bad and self._limits.fail_fast and not self._interrupted:
            self._interrupt(signal.SIGTERM)

    def _interrupt(self, number: int) -> None:
        self._interrupted = True
        self._number = number
        for running in self.running:
            running.end(INTERRUPTED, number)

    @property
    def interrupted(self) -> bool:
        """Whether it was told to stop."""
        return self._interrupted

    @property
    def waiting(self) -> tuple[Workplace, ...]:
        """The cells that have not begun."""
        return tuple(self._waiting)


@contextlib.contextmanager
def _signals(act: Callable[[int], None]) -> Iterator[int]:
    """Call ``act`` with the number of SIGINT or SIGTERM; yield what can be read from then on."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    old_wake = signal.set_wakeup_fd(write)

    def handle(number: int, frame: FrameType | None) -> None:
        act(number)

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield read
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wake)
        os.close(read)
        os.close(write)
