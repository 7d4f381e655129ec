"""What a step depends on, as the key of its cache entry."""

from __future__ import annotations

from plugrun.model.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.build.state import StageState

# Another number makes all entries of before useless: for when a step comes to something else.
_VERSION = 1


def step_key(kind: str, state: StageState, epoch: int, *parts: Any) -> str:
    """Return the key of a step over what a stage has come to.

    That is its layers and its platform, the latest time a file may bear, and ``parts``: plain JSON
    values of all else that the step's files depend on.
    """
    return _digest([_VERSION, kind, state.top, str(state.platform), epoch, *parts])


def document_key(document: dict[str, Any]) -> str:
    """Return the key of an image's document, with no time in it that is not known."""
    return _digest([_VERSION, "image", document])


def _digest(parts: list[Any]) -> str:
    from hashlib import sha256

    return sha256(dumps(parts).encode("utf-8", "surrogateescape")).hexdigest()
