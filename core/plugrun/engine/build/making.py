"""A step found in the cache, or done and kept there."""

from __future__ import annotations

from plugrun.engine.build.state import Outcome, now_ns
from plugrun.engine.build.steps import CommandFailed, step_of
from plugrun.model.record import replace
from plugrun.store.buildcache import BuildCache, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending, StageRun
    from plugrun.engine.build.state import StageState
    from plugrun.engine.build.steps import Doing


class Attempt:
    """One pending instruction of a stage: looked for first, then done."""

    def __init__(self, site: Site, stage: StageRun, pending: Pending) -> None:
        self._site = site
        self._state = stage.state
        self._pending = pending
        self._may_find = not site.request.no_cache and stage.planned.name not in (
            site.request.no_cache_stages
        )
        self._step: Doing = step_of(site, stage.state, pending)
        self._keys: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether nobody has looked for it yet."""
        return not self._keys

    def find(self) -> Outcome | None:
        """Return what the step came to before, if that is known without reading any stage."""
        self._keys = self._step.keys()
        return self._find(self._keys)

    def make(self) -> Outcome:
        """Do the step, unless what it reads turns out to be what it was; keep what it came to.

        Raise what the step raises. This process has no other threads.
        """
        with self._step:
            if not self._keys:
                self._keys = self._step.keys()
            late = self._step.late_keys()
            outcome = self._find(late)
            if outcome is None:
                outcome = self._do()
            keys = (*self._keys, *late)
            if not outcome.borrowed:
                self._keep(keys, outcome)
            return replace(outcome, keys=keys)

    def _find(self, keys: Iterable[str]) -> Outcome | None:
        if not self._may_find:
            return None
        with BuildCache(self._site.engine.root) as cache:
            for key in keys:
                entry = cache.find(key)
                if entry is not None and self._is_whole(entry):
                    cache.use((key,))
                    return Outcome(
                        entry.diff_id, entry.size, entry.created_ns, cached=True, keys=self._keys
                    )
        return self._borrowed(keys)

    def _borrowed(self, keys: Iterable[str]) -> Outcome | None:
        """Return what an image of ``--cache-from`` says."""
        borrowed = self._site.borrowed
        if borrowed is None:
            return None
        found = (borrowed.find(key) for key in keys)
        outcome = next((one for one in found if one is not None), None)
        return replace(outcome, keys=self._keys) if outcome is not None else None

    def _is_whole(self, entry: Entry) -> bool:
        return not entry.diff_id or self._site.engine.content.has(entry.diff_id)

    def _do(self) -> Outcome:
        from plugrun.engine.build.steptree import StepTree
        from plugrun.layers.treechanges import NEVER

        site, engine = self._site, self._site.engine
        site.have_unpacked(self._state)
        epoch = site.request.epoch
        latest = epoch * 10**9 if epoch >= 0 else NEVER
        with StepTree(engine, engine.storage(), self._state.top) as tree:
            try:
                self._step.do(tree)
            except CommandFailed as error:
                if site.request.keep_failed:
                    error.kept = tree.commit(now_ns(epoch), latest)
                raise
            return tree.commit(now_ns(epoch), latest)

    def _keep(self, keys: Iterable[str], outcome: Outcome) -> None:
        state: StageState = self._state.with_layer(outcome)
        now = now_ns(-1)
        entry = Entry(
            "",
            self._step.kind,
            outcome.diff_id,
            outcome.size,
            state.chain,
            state.blobs,
            outcome.created_ns,
            now,
            1,
            self._pending.shown,
        )
        with BuildCache(self._site.engine.root) as cache:
            for key in keys:
                cache.put(replace(entry, key=key))
