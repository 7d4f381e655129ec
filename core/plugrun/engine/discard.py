"""What a container has, freed: in an order in which a kill leaves the rest findable."""

from __future__ import annotations

import os
import sys

from plugrun.engine.taskfile import serve_lock, watch_lock
from plugrun.engine.tidy import was_networked
from plugrun.errors import NoSuchContainer, NoSuchSnapshot, PluginError
from plugrun.linux.filesystem import unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container


def remove_stopped(engine: Engine, container: Container, *, volumes: bool = False) -> None:
    """Remove a container that does not run, once nobody waits to read how it ended.

    ``volumes`` is to remove its anonymous volumes; those of one that was to be removed at its end
    always go.
    """
    with engine.locks.exclusive(f"end-{container.id}"):
        discard(engine, container, volumes=volumes or container.auto_remove)
    forget_locks(engine, container.id)
    engine.emit_container("destroy", container)


def forget_locks(engine: Engine, id: str) -> None:
    """Remove the locks of a container that is gone; who still waits for one finds it gone."""
    for name in (f"end-{id}", watch_lock(id), serve_lock(id)):
        unlink(f"{engine.run_root}/locks/{name}")


def discard(engine: Engine, container: Container, *, volumes: bool = True) -> None:
    """Free what a container has, in an order in which a kill leaves it findable.

    ``volumes`` is to remove the anonymous volumes that nobody else uses.
    The record goes last but one, the task file last: whatever is still there when this is
    interrupted has a name that the next command finds it by.
    """
    try:
        engine.isolation_named(container.isolation.name).delete(container.id, force=True)
    except NoSuchContainer:
        pass
    if was_networked(engine, container):
        from plugrun.engine.networks.attach import detach_all

        detach_all(engine, container)
    _remove_snapshot(engine, container)
    remove_folder(engine.container_folder(container.id))
    if container.mounts:
        from plugrun.engine.volumes.release import release_volumes

        release_volumes(engine, container, remove=volumes)
    engine.metadata.remove_container(container.id)
    remove_folder(engine.task_folder(container.id))


def _remove_snapshot(engine: Engine, container: Container) -> None:
    """Free what a container wrote; if its storage is not installed now, say that it stays."""
    try:
        engine.storage_of(container).remove(container.id)
    except NoSuchSnapshot:
        return
    except PluginError as error:
        place = f"{engine.root}/storage/{container.storage.name}"
        sys.stderr.write(
            f"plugrun: {error.message}\nplugrun: what it wrote stays in {place}; once that is "
            "installed again, plugrun system prune frees it\n"
        )


def remove_folder(path: str) -> None:
    """Remove a folder of this project's own plain files, one folder deep at most."""
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_folder(entry.path)
        else:
            unlink(entry.path)
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return
