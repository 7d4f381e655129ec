"""What all stages of one build work with."""

from __future__ import annotations

import os

from plugrun.engine.build.request import LARGEST_SECRET
from plugrun.engine.build.unpacked import have_unpacked
from plugrun.errors import InvalidArgument, NotFound
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.dockerfile.patterns import Matcher
    from plugrun.dockerfile.planning import Plan
    from plugrun.engine.build.borrowing import Borrowed
    from plugrun.engine.build.request import BuildRequest, Secret
    from plugrun.engine.build.sources import Tree
    from plugrun.engine.build.state import StageState
    from plugrun.engine.engine import Engine


class Site:
    """The engine, the request, the plan, and what is known so far.

    ``states`` are what finished stages came to, by index; ``images`` those that files are taken
    from, by reference; ``borrowed`` what images of ``--cache-from`` bring along. ``context`` is
    None where there is none but the Dockerfile.
    """

    def __init__(
        self, engine: Engine, request: BuildRequest, plan: Plan, context: Tree | None
    ) -> None:
        self.engine = engine
        self.request = request
        self.plan = plan
        self._context = context
        self.states: dict[int, StageState] = {}
        self.images: dict[str, StageState] = {}
        self.borrowed: Borrowed | None = None

    def context_tree(self) -> Tree:
        """Return the build's context; raise InvalidArgument if it has none."""
        if self._context is None:
            raise InvalidArgument(
                "there is no build context: a Dockerfile alone was given",
                hint="name a folder: plugrun build -f - FOLDER",
            )
        return self._context

    def state_of(self, origin: str) -> StageState:
        """Return what COPY's ``--from`` takes from."""
        found = self.plan.origin(origin)
        return self.images[found] if isinstance(found, str) else self.states[found]

    def base_of(self, state: StageState) -> StageState:
        """Return what a state began with: the layers of its image."""
        image = self.engine.metadata.image(state.base) if state.base else None
        count = len(image.chain) if image is not None else 0
        return replace(
            state,
            chain=state.chain[:count],
            diff_ids=state.diff_ids[:count],
            blobs=state.blobs[:count],
            history=(),
        )

    def secret(self, id: str) -> bytes | None:
        """Return what a secret is; None if nobody gave it. Raise NotFound if its file is gone."""
        for one in self.request.secrets:
            if one.id == id:
                return _secret(one)
        return None

    def matcher(self, patterns: Sequence[str]) -> Matcher:
        """Return what ``--exclude`` keeps out."""
        from plugrun.dockerfile.patterns import Matcher

        return Matcher(tuple(patterns))

    def have_unpacked(self, state: StageState) -> None:
        """Have a state's layers in the storage in force."""
        have_unpacked(self.engine, state)


def _secret(wanted: Secret) -> bytes:
    if wanted.variable:
        value = os.environ.get(wanted.variable)
        if value is None:
            raise NotFound(f"secret {wanted.id}: there is no variable {wanted.variable}")
        return value.encode("utf-8", "surrogateescape")
    try:
        with open(wanted.path, "rb") as file:
            data = file.read(LARGEST_SECRET + 1)
    except FileNotFoundError:
        raise NotFound(f"secret {wanted.id}: there is no file {wanted.path}") from None
    if len(data) > LARGEST_SECRET:
        raise InvalidArgument(f"secret {wanted.id} has more than {LARGEST_SECRET} bytes")
    return data
