"""One stage on its way: its instructions, one after another, and what they have come to.

Those that change no file are done on the way to the next that does; what that came to is told by
whoever did it or found it in the cache. So the same stage can be followed in two processes.
"""

from __future__ import annotations

from plugrun.dockerfile.instructions import Run, Transfer, Workdir
from plugrun.engine.build.state import Outcome, StageState
from plugrun.model.record import record
from plugrun.model.times import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.dockerfile.instructions import Instruction, Warned
    from plugrun.dockerfile.planning import Plan
    from plugrun.dockerfile.scope import Scope, Step


@record
class Pending:
    """An instruction that may change files, with variables put in; ``number`` is its place among
    all of the stage's, ``before`` and ``after`` are where the stage stands, ``shown`` how
    progress calls it.
    """

    number: int
    instruction: Instruction
    before: Scope
    after: Scope
    shown: str


class StageRun:
    """A stage of a plan, over the state it begins with."""

    def __init__(self, plan: Plan, index: int, state: StageState, scope: Scope) -> None:
        self.plan = plan
        self.index = index
        self.planned = plan.stages[index]
        self.state = state
        self.scope = scope
        self._next = 0
        self._step: Step | None = None
        self.warnings: list[Warned] = []
        self._changing = [changes_files(one) for one in self.planned.instructions]

    def pending(self) -> Pending | None:
        """Return the next instruction that may change files; None at the end of the stage."""
        while self._next < len(self.planned.instructions):
            step = self._expanded()
            if changes_files(step.instruction):
                return Pending(self._next, step.instruction, self.scope, step.scope, self._shown())
            self._finish(step, Outcome("", 0, 0), empty=True)
        return None

    def apply(self, outcome: Outcome) -> None:
        """Take what the pending instruction came to, and go on."""
        step = self._expanded()
        self.state = self.state.after(outcome)
        self._finish(step, outcome, empty=not outcome.diff_id)

    def _expanded(self) -> Step:
        if self._step is None:
            self._step = self.scope.step(self.planned.instructions[self._next])
            self.warnings += self._step.warnings
        return self._step

    def _finish(self, step: Step, outcome: Outcome, *, empty: bool) -> None:
        created = rfc3339(outcome.created_ns) if outcome.created_ns else ""
        self.state = self.state.told(created, _told(step), empty=empty)
        self.scope = step.scope
        self._step = None
        self._next += 1

    def _shown(self) -> str:
        """Return BuildKit's ``[builder 2/4] RUN make``; FROM counts as the first."""
        own = 1 + sum(self._changing[: self._next + 1])
        several = len(self.plan.order) > 1 or self.planned.head.name
        name = f"{self.planned.name} " if several else ""
        text = self.planned.instructions[self._next].text
        return f"[{name}{own}/{1 + sum(self._changing)}] {text}"


def _told(step: Step) -> str:
    """Return BuildKit's line of history, which marks what it changed files with."""
    return f"{step.created_by} # buildkit" if changes_files(step.instruction) else step.created_by


def changes_files(instruction: Instruction) -> bool:
    """Whether an instruction may change files, and so has a layer and a cache entry."""
    return isinstance(instruction, (Run, Transfer, Workdir))
