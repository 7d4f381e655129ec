"""The images that stages stand on, or take files from."""

from __future__ import annotations

from plugrun.engine.asking import local_image
from plugrun.engine.build.state import StageState
from plugrun.engine.images.manifests import parse_image_config
from plugrun.engine.request import RunRequest
from plugrun.model.descriptor import normal_platform
from plugrun.model.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from plugrun.engine.build.request import BuildRequest
    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.model.descriptor import Platform


class Base:
    """One image: what a stage over it begins with, and its document's ``config``."""

    def __init__(self, state: StageState, config: Mapping[str, Any]) -> None:
        self.state = state
        self.config = config


def base_image(
    engine: Engine,
    request: BuildRequest,
    reference: str,
    platform: Platform | None,
    observer: Callable[[], PullObserver],
) -> Base:
    """Return an image that is here, or has just been pulled; with ``--pull`` it always is."""
    asked = RunRequest(
        image=reference, platform=platform, pull="always" if request.pull else "missing"
    )
    image = local_image(engine, asked, observer)
    raw = engine.content.read(image.id)
    config = parse_image_config(raw)
    state = StageState(
        image.id,
        normal_platform(config.os, config.architecture, config.variant),
        image.chain,
        config.diff_ids,
        image.layers,
    )
    return Base(state, loads(raw).get("config") or {})


def scratch(platform: Platform) -> Base:
    """Return the image that has nothing."""
    return Base(StageState("", platform), {})
