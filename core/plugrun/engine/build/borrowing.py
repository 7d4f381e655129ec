"""Steps that an image brings along: ``--cache-to type=inline`` and ``--cache-from``.

What each step of the image was found by stands in the image's own config, beside what it came to.
Who names an image trusts it to say the truth about its steps, so they are good for that build
alone and never come into this machine's cache. Their files are layers of the image, and were
verified as those of any other.
"""

from __future__ import annotations

from plugrun.engine.build.state import Outcome
from plugrun.engine.images.layersizes import layer_size
from plugrun.engine.images.manifests import parse_image_config
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from plugrun.engine.build.state import StageState
    from plugrun.engine.engine import Engine
    from plugrun.model.image import Image

FIELD = "org.plugrun.buildcache.v1"
_MOST = 10_000
_YEAR_10000 = 253_402_300_800 * 10**9


class Borrowed:
    """What was found in images, by the keys of steps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: dict[str, Outcome] = {}

    def take(self, image: Image) -> int:
        """Take what an image brings along; return how many steps that are."""
        raw = self._engine.content.read(image.id)
        diff_ids = parse_image_config(raw).diff_ids
        count = 0
        for keys, diff_id, created_ns in _steps(loads(raw).get(FIELD)):
            outcome = self._outcome(image, diff_ids, diff_id, created_ns)
            if outcome is not None:
                self._found.update(dict.fromkeys(keys, outcome))
                count += 1
        return count

    def find(self, key: str) -> Outcome | None:
        """Return what a step came to where one of the images was built."""
        return self._found.get(key)

    def _outcome(
        self, image: Image, diff_ids: tuple[str, ...], diff_id: str, created_ns: int
    ) -> Outcome | None:
        if not diff_id:
            return Outcome("", 0, created_ns, cached=True, borrowed=True)
        if diff_id not in diff_ids:
            return None
        place = diff_ids.index(diff_id)
        size, blob = layer_size(self._engine, image.chain[place]), image.layers[place]
        return Outcome(diff_id, size, created_ns, cached=True, blob=blob, borrowed=True)


def brought_along(state: StageState) -> list[list[Any]]:
    """Return what an image of a state tells others of its steps."""
    return [
        [list(keys), diff_id, created_ns]
        for keys, diff_id, created_ns in state.steps
        if not diff_id or diff_id in state.diff_ids
    ]


def _steps(found: object) -> Iterator[tuple[list[str], str, int]]:
    """Yield what is as it ought to be: it comes from outside."""
    if not isinstance(found, list):
        return
    for one in found[:_MOST]:
        if not isinstance(one, list) or len(one) != 3:
            continue
        keys, diff_id, created_ns = one
        is_date = type(created_ns) is int and 0 <= created_ns < _YEAR_10000
        if is_date and isinstance(diff_id, str) and _are_texts(keys):
            yield keys, diff_id, created_ns


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)
