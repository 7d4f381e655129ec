"""``history``: how an image came about, as its config tells, with the size of each layer."""

from __future__ import annotations

from plugrun.engine.images.find import find_image
from plugrun.engine.images.layersizes import layer_size
from plugrun.model.jsontext import loads
from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plugrun.engine.engine import Engine


@record
class HistoryEntry:
    """One step; ``image`` is empty for one whose own image is not here, ``created`` RFC 3339."""

    image: str
    created: str
    created_by: str
    size: int
    comment: str


def history(engine: Engine, text: str) -> list[HistoryEntry]:
    """Return an image's steps, the last one first (image-spec config.md, ``history``).

    The document is the maker's word: layers that it does not tell of come before its first step.
    """
    image = find_image(engine, text)
    steps = _steps(loads(engine.content.read(image.id)))
    sizes = [layer_size(engine, chain) for chain in image.chain]
    told = sum(1 for step in steps if not step.get("empty_layer"))
    steps = [{"created": image.created}] * (len(sizes) - told) + steps
    entries = [_entry(step, sizes) for step in steps][::-1]
    return [replace(entry, image=image.id) for entry in entries[:1]] + entries[1:]


def _steps(config: Any) -> list[dict[str, Any]]:
    found = config.get("history") if isinstance(config, dict) else None
    return [step for step in found if isinstance(step, dict)] if isinstance(found, list) else []


def _entry(step: dict[str, Any], sizes: list[int]) -> HistoryEntry:
    """Return one step; if it made a layer, its size is taken off the front of ``sizes``."""
    size = 0 if step.get("empty_layer") or not sizes else sizes.pop(0)
    texts = [step.get(key) or "" for key in ("created", "created_by", "comment")]
    created, created_by, comment = (text if isinstance(text, str) else "" for text in texts)
    return HistoryEntry("", created, created_by, size, comment)
