"""What becomes of a container's volumes when it goes."""

from __future__ import annotations

from plugrun.engine.volumes.folders import LOCK, remove_set_aside, set_aside
from plugrun.engine.volumes.serve import end_volumes
from plugrun.model.volume import LOCAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def release_volumes(engine: Engine, container: Container, *, remove: bool) -> None:
    """Unmount a container's volumes; with ``remove``, remove anonymous ones nobody else uses.

    Its record is still there, and goes after this: so that a kill leaves it to be done again.
    """
    end_volumes(engine, container)
    names = [point.volume for point in container.mounts if point.anonymous and point.volume]
    if not remove or not names:
        return
    with engine.locks.exclusive(LOCK):
        gone = engine.metadata.volumes.leave(container.id, names)
        aside = set_aside(engine, gone)
    remove_set_aside(aside)
    for name in gone:
        engine.emit("volume", "destroy", name, {"driver": LOCAL})
