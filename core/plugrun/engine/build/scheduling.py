"""Which stage is at work when: each as soon as what it needs is there, several at once."""

from __future__ import annotations

import os
import select
import time

from plugrun.dockerfile.checks import shown
from plugrun.dockerfile.scope import begin, inherit
from plugrun.engine.build.making import Attempt
from plugrun.engine.build.stage import StageRun
from plugrun.engine.build.workerevents import Begun, Broken, Made
from plugrun.errors import PlugrunError
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.dockerfile.instructions import Warned
    from plugrun.engine.build.bases import Base
    from plugrun.engine.build.progress import BuildObserver
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending
    from plugrun.engine.build.state import Outcome
    from plugrun.engine.build.workers import Worker


class Failure(PlugrunError):
    """A step failed: ``stage`` is where it stood, ``kept`` its files if they were to be kept."""

    def __init__(self, error: PlugrunError, stage: StageRun, kept: Outcome | None) -> None:
        super().__init__(error.message, hint=error.hint)
        self.error = error
        self.stage = stage
        self.kept = kept


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt


class Numbers:
    """Counts the steps that progress tells of."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """Return the next one."""
        self.last += 1
        return self.last


class _Doing:
    """A worker, and what it is at."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.number = 0
        self.since = 0.0


class Schedule:
    """The stages of one build. ``with`` it: no worker outlives it.

    ``warnings`` are what the Dockerfile's checks found while steps were read.
    """

    def __init__(
        self,
        site: Site,
        bases: Mapping[int, Base],
        observer: BuildObserver,
        numbers: Numbers,
    ) -> None:
        self._site = site
        self._bases = bases
        self._observer = observer
        self._numbers = numbers
        self.runs: dict[int, StageRun] = {}
        self.warnings: list[Warned] = []
        self._waiting = list(site.plan.order)
        self._doing: dict[int, _Doing] = {}
        self._most = max(2, len(os.sched_getaffinity(0)))

    def __enter__(self) -> Schedule:
        # Who is asked to end waits for the workers as who is interrupted does.
        self._before = {signals.SIGTERM: signals.signal(signals.SIGTERM, _interrupted)}
        self._before[signals.SIGINT] = signals.getsignal(signals.SIGINT)
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._before:
            signals.signal(number, signals.SIG_IGN)
        self._stop()
        for number, handler in self._before.items():
            signals.signal(number, handler)

    def _stop(self) -> None:
        for doing in self._doing.values():
            doing.worker.stop()
        for doing in self._doing.values():
            doing.worker.close()
            if doing.number:
                self._observer.cancelled(doing.number)
        self._doing.clear()

    def run(self) -> StageRun:
        """Bring all stages to their ends and return the target; raise Failure at the first that
        fails.
        """
        while self._waiting or self._doing:
            self._start_ready()
            if self._doing:
                self._attend()
        return self.runs[self._site.plan.target]

    # -- beginning ------------------------------------------------------------------------

    def _start_ready(self) -> None:
        begun = True
        while begun:
            begun = False
            for index in tuple(self._waiting):
                needs = self._site.plan.stages[index].needs
                if len(self._doing) < self._most and all(n in self._site.states for n in needs):
                    self._waiting.remove(index)
                    self._begin(index)
                    begun = True

    def _begin(self, index: int) -> None:
        """Go through what was built before; hand the rest, if any, to a worker."""
        plan = self._site.plan
        below = plan.stages[index].base_stage
        if below is None:
            base = self._bases[index]
            run = StageRun(plan, index, base.state, begin(plan, index, base.config))
        else:
            other = self.runs[below]
            run = StageRun(plan, index, other.state, inherit(plan, index, other.scope))
        self.runs[index] = run
        while (pending := run.pending()) is not None:
            self._tell_warnings(run)
            attempt = self._attempt(run, pending)
            outcome = self._found(run, pending, attempt)
            if outcome is None:
                from plugrun.engine.build.workers import Worker

                worker = Worker(self._site, run, pending, attempt)
                self._doing[worker.events] = _Doing(worker)
                return
            number = self._numbers.next()
            self._observer.begin(number, pending.shown)
            self._observer.cached(number)
            run.apply(outcome)
        self._finished(run)

    def _attempt(self, run: StageRun, pending: Pending) -> Attempt:
        try:
            return Attempt(self._site, run, pending)
        except PlugrunError as error:
            raise self._failure(error, run, pending) from error

    def _found(self, run: StageRun, pending: Pending, attempt: Attempt) -> Outcome | None:
        try:
            return attempt.find()
        except PlugrunError as error:
            raise self._failure(error, run, pending) from error

    def _failure(self, error: PlugrunError, run: StageRun, pending: Pending) -> Failure:
        number = self._numbers.next()
        self._observer.begin(number, pending.shown)
        self._observer.failed(number, 0.0, error.message)
        located = pending.before.failure(error, pending.instruction)
        return Failure(located, run, None)

    def _finished(self, run: StageRun) -> None:
        self._tell_warnings(run)
        self._site.states[run.index] = run.state

    def _tell_warnings(self, run: StageRun) -> None:
        for one in run.warnings:
            self._observer.warning(shown(one))
        self.warnings += run.warnings
        run.warnings = []

    # -- attending ------------------------------------------------------------------------

    def _attend(self) -> None:
        """Wait until a worker says something, and take note of it."""
        poll = select.poll()
        outputs = {}
        for fd, doing in self._doing.items():
            poll.register(fd, select.POLLIN)
            poll.register(doing.worker.output, select.POLLIN)
            outputs[doing.worker.output] = doing
        for fd, events in poll.poll():
            if fd in outputs:
                if events & select.POLLIN:
                    self._pass_output(outputs[fd])
            elif fd in self._doing:
                self._hear(self._doing[fd])

    def _pass_output(self, doing: _Doing) -> None:
        while data := doing.worker.read_output():
            self._observer.output(doing.number, data)

    def _hear(self, doing: _Doing) -> None:
        events = doing.worker.read_events()
        if events is None:
            self._ended(doing)
            return
        for event in events:
            if isinstance(event, Begun):
                doing.number, doing.since = self._numbers.next(), time.monotonic()
                self._observer.begin(doing.number, event.shown)
            elif isinstance(event, Made):
                self._made(doing, event.outcome)
            else:
                self._broken(doing, event)

    def _made(self, doing: _Doing, outcome: Outcome) -> None:
        self._pass_output(doing)
        if outcome.cached:
            self._observer.cached(doing.number)
        else:
            self._observer.done(doing.number, time.monotonic() - doing.since)
        run = doing.worker.stage
        run.pending()
        run.apply(outcome)
        doing.number = 0

    def _broken(self, doing: _Doing, event: Broken) -> None:
        self._pass_output(doing)
        self._observer.failed(doing.number, time.monotonic() - doing.since, event.error.message)
        doing.number = 0
        run = doing.worker.stage
        pending = run.pending()
        error = event.error
        if pending is not None:
            error = pending.before.failure(error, pending.instruction)
        raise Failure(error, run, event.kept)

    def _ended(self, doing: _Doing) -> None:
        """A worker is through with its stage, unless somebody killed it."""
        del self._doing[doing.worker.events]
        code = doing.worker.close()
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise PlugrunError(f"the process that built a stage ended with {code}")
        doing.worker.stage.pending()
        self._finished(doing.worker.stage)
