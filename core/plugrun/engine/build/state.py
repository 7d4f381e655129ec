"""What a stage of a build has come to, after each of its steps."""

from __future__ import annotations

import time

from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.model.descriptor import Platform


@record
class Outcome:
    """What a step came to: its layer, or none if ``diff_id`` is empty.

    ``size`` is the sum of the layer's files, ``created_ns`` when it was made, ``cached`` whether
    that was before this build. ``blob`` is the digest of what holds the layer, empty if that is
    the plain tar; ``keys`` are what the step is found by. ``borrowed`` is that nobody but an image
    says so.
    """

    diff_id: str
    size: int
    created_ns: int
    cached: bool = False
    blob: str = ""
    keys: tuple[str, ...] = ()
    borrowed: bool = False


@record
class StageState:
    """``base`` is the ID of the image at the bottom, empty for ``scratch``.

    ``chain``, ``diff_ids`` and ``blobs`` have one item for each layer, lowest first; ``blobs`` are
    digests of what holds them. ``history`` is what this build adds to the base's, with an empty
    ``created`` where a step made no file; ``steps`` are its steps that could: keys, DiffID or
    nothing, and time.
    """

    base: str
    platform: Platform
    chain: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    steps: tuple[tuple[tuple[str, ...], str, int], ...] = ()

    @property
    def top(self) -> str:
        """The ChainID of all layers, empty if there is none."""
        return self.chain[-1] if self.chain else ""

    def with_layer(self, outcome: Outcome) -> StageState:
        """Return the state with a step's layer on top, if it made one."""
        if not outcome.diff_id:
            return self
        return replace(
            self,
            chain=(*self.chain, chain_over(self.top, outcome.diff_id)),
            diff_ids=(*self.diff_ids, outcome.diff_id),
            blobs=(*self.blobs, outcome.blob or outcome.diff_id),
        )

    def after(self, outcome: Outcome) -> StageState:
        """Return the state with a step's layer on top, and the step remembered."""
        step = (tuple(outcome.keys), outcome.diff_id, outcome.created_ns)
        return replace(self.with_layer(outcome), steps=(*self.steps, step))

    def told(self, created: str, created_by: str, *, empty: bool) -> StageState:
        """Return the state with one more line of history."""
        line: dict[str, Any] = {"created": created, "created_by": created_by}
        line["comment"] = "buildkit.dockerfile.v0"
        if empty:
            line["empty_layer"] = True
        return replace(self, history=(*self.history, line))


def now_ns(epoch: int) -> int:
    """Return the time that a step is made at: SOURCE_DATE_EPOCH's in seconds, or the clock's."""
    return epoch * 10**9 if epoch >= 0 else time.time_ns()


def chain_over(below: str, diff_id: str) -> str:
    """Return the ChainID of a layer over what a ChainID names (image-spec config.md)."""
    from hashlib import sha256

    if not below:
        return diff_id
    return f"sha256:{sha256(f'{below} {diff_id}'.encode()).hexdigest()}"
