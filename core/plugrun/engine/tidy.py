"""Clean up after a container that has ended."""

from __future__ import annotations

import os

from plugrun.engine.halt import is_kept
from plugrun.engine.places import door_path, halt_path, joined_path, networks_path, shm_path
from plugrun.errors import NoSuchContainer
from plugrun.linux.filesystem import unlink
from plugrun.monitor.exitfile import read_exit_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.monitor.exitfile import ExitFile


def tidy(engine: Engine, container: Container) -> None:
    """Clean up after a container that has ended; remove it if it was to be."""
    release(engine, container)
    tell_death(engine, container)
    if container.auto_remove and not is_kept(engine, container.id):
        from plugrun.engine.discard import remove_stopped

        remove_stopped(engine, container)
    else:
        forget_task(engine, container.id)


def tell_death(engine: Engine, container: Container) -> None:
    """Tell observers that a container has ended, and how."""
    ended = read_exit_file(engine.container_folder(container.id))
    engine.emit_container("die", container, _death(ended))
    if was_networked(engine, container):
        _tell_detached(engine, container)
    if container.mounts:
        from plugrun.engine.volumes.serve import tell_unmounted

        tell_unmounted(engine, container)


def _tell_detached(engine: Engine, container: Container) -> None:
    from plugrun.engine.networks.attach import tell
    from plugrun.engine.networks.attached import read_attached

    attached = read_attached(engine, container.id)
    for one in attached.endpoints if attached is not None else ():
        tell(engine, "disconnect", container, one)
    unlink(networks_path(engine, container.id))


def _death(ended: ExitFile | None) -> dict[str, str]:
    """Say how a container ended, as Docker's event does; the duration is in whole seconds."""
    if ended is None:
        return {}
    seconds = (ended.finished_ns - ended.started_ns) // 10**9 if ended.started_ns else 0
    return {"exitCode": str(ended.exit_code), "execDuration": str(max(seconds, 0))}


def release(engine: Engine, container: Container) -> None:
    """Give back what isolation and network made for a container; it can be repeated."""
    try:
        engine.isolation_named(container.isolation.name).delete(container.id, force=True)
    except NoSuchContainer:
        # It was never made, or another command was quicker.
        return
    finally:
        if was_networked(engine, container):
            from plugrun.engine.networks.attach import detach_all

            detach_all(engine, container)
        if container.mounts:
            from plugrun.engine.volumes.serve import end_volumes

            end_volumes(engine, container)


def was_networked(engine: Engine, container: Container) -> bool:
    """Whether a container was on any network, from its start or since."""
    return bool(container.endpoints) or os.path.exists(joined_path(engine, container.id))


def forget_task(engine: Engine, id: str) -> None:
    """Say that no process serves a container any more."""
    folder = engine.task_folder(id)
    own = (door_path, halt_path, networks_path, joined_path)
    for path in (*[place(engine, id) for place in own], f"{folder}/task"):
        unlink(path)
    for place in (shm_path(engine, id), folder):
        try:
            os.rmdir(place)
        except OSError:
            # Gone already, or somebody has just begun to use it.
            continue
