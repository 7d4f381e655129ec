"""``create``: everything a run does before the fence."""

from __future__ import annotations

import os

from plugrun.engine.asking import check_request, local_image, write_cidfile
from plugrun.engine.create import create
from plugrun.engine.taskfile import served_by
from plugrun.engine.tidy import forget_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.engine.images.arrival import PullObserver
    from plugrun.engine.request import RunRequest


def create_only(
    engine: Engine, request: RunRequest, observer_factory: Callable[[], PullObserver]
) -> str:
    """Make a container and start nothing; return its ID. The image is pulled if it is missing."""
    check_request(request)
    image = local_image(engine, request, observer_factory)
    container = create(engine, request, image, served_by(os.getpid()), observer_factory)
    write_cidfile(request, container)
    forget_task(engine, container.id)
    return container.id
