"""Clean up what killed commands left behind.

Everything a command makes is findable from the day it is made: the task file names its process,
the record its container, and snapshots and tasks bear the container's ID.
"""

from __future__ import annotations

import os
import sys

from plugrun.engine.discard import discard, remove_folder
from plugrun.engine.ending import wait_attended, wait_ended
from plugrun.engine.engine import open_engine
from plugrun.engine.startfile import read_start_file
from plugrun.engine.taskfile import read_task_file
from plugrun.engine.tidy import forget_task, release
from plugrun.errors import (
    BackendUnavailable,
    Conflict,
    NoSuchContainer,
    NoSuchSnapshot,
    PluginError,
    PlugrunError,
)
from plugrun.linux.alive import is_alive, start_time
from plugrun.linux.filesystem import unlink, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.request import GlobalOptions
    from plugrun.engine.taskfile import TaskFile
    from plugrun.interfaces.storage import Storage


def open_healed(options: GlobalOptions, *, makes: bool = False) -> Engine:
    """Open an engine, and free what killed commands left: for every verb that is in no hurry.

    On a full disk a reserve is given up, so that the verb can free more; not for one that
    ``makes`` things, which would only fill it up.
    """
    engine = open_engine(options)
    _mind_reserve(engine, makes=makes)
    # A configuration that is wrong is said so by every command; a backend that is broken
    # only matters to those that use it.
    if engine.is_configured:
        heal(engine)
    return engine


def _mind_reserve(engine: Engine, *, makes: bool) -> None:
    from plugrun.engine.reserve import keep, make_room

    keep(engine.root)
    engine.may_use_reserve = not makes
    if not makes:
        make_room(engine.root)


def heal(engine: Engine) -> None:
    """Finish what monitors and commands that were killed did not; quick when there is nothing."""
    healed = f"{engine.run_root}/healed"
    if not os.path.exists(healed):
        # A mark of its own: a start may be the first command after a reboot, and makes the rest.
        _after_reboot(engine)
        write_whole(healed, b"")
    if _has_lost_volumes(engine):
        from plugrun.engine.volumes.folders import sweep

        sweep(engine)
    if _listed(f"{engine.root}/build/active"):
        from plugrun.engine.build.marks import sweep as sweep_builds

        sweep_builds(engine)
    for name in _listed(f"{engine.run_root}/network"):
        _mend_network(engine, name)
    for id in _listed(f"{engine.run_root}/containers"):
        task = read_task_file(engine.task_folder(id))
        if task is None:
            _remove_empty(engine.task_folder(id))
        if task is None or task.attended or task.running:
            continue
        lock = engine.locks.try_exclusive(f"heal-{id}")
        if lock is not None:
            with lock:
                _heal_one(engine, id, task)
            unlink(f"{engine.run_root}/locks/heal-{id}")


def _mend_network(engine: Engine, name: str) -> None:
    """Have a backend start its process again that serves containers, and that was killed."""
    try:
        with open(f"{engine.run_root}/network/{name}/serving", "rb") as file:
            pid, started = map(int, file.read().split())
    except (FileNotFoundError, ValueError):
        return
    if is_alive(pid, started):
        return
    try:
        said = engine.network_named(name).mend()
    except (BackendUnavailable, PluginError):
        return  # `system check` tells of it
    except PlugrunError as error:
        said = (error.message,)  # in nobody else's way
    for text in said:
        sys.stderr.write(f"WARNING: {text}\n")


def _has_lost_volumes(engine: Engine) -> bool:
    """Whether a volume's folder has no record: it is being made or removed, or its maker died."""
    found = _listed(f"{engine.root}/volumes")
    return bool(found) and not engine.metadata.volumes.names().issuperset(found)


def _after_reboot(engine: Engine) -> None:
    """Remove the containers that were to go with their end, and that ended with the machine."""
    for id in engine.metadata.container_ids():
        began = read_start_file(engine.container_folder(id))
        container = engine.metadata.container(id)
        if container is None or began is None or began.is_of_this_boot:
            continue
        if container.auto_remove:
            discard(engine, container)


def _remove_empty(folder: str) -> None:
    """Remove the folder of a task file that has gone, or that was never whole.

    One that is about to be written names its writer (``write_whole``), who is alive then.
    """
    names = _listed(folder)
    if "task" in names:
        return  # it has just been written
    for name in names:
        if name in ("attach", "halt", "networks"):
            unlink(f"{folder}/{name}")
            continue
        writer = name.rpartition("-")[2]
        if not name.startswith("task.tmp-") or is_alive(int(writer), start_time(int(writer))):
            return
        os.unlink(f"{folder}/{name}")
    try:
        os.rmdir(folder)
    except OSError:
        # Somebody was quicker, or has just begun to use it.
        return


def _heal_one(engine: Engine, id: str, task: TaskFile) -> None:
    container = engine.metadata.container(id)
    if container is None:
        _heal_nameless(engine, id)
    elif task.pid:
        wait_ended(task, None)
        wait_attended(engine, container, task)
    elif container.auto_remove or not os.path.exists(f"{engine.container_folder(id)}/config.json"):
        # Killed while it was being made: nobody was told of it yet.
        discard(engine, container)
    else:
        # Killed before there was a process, but perhaps not before there were cgroups for it.
        release(engine, container)
        forget_task(engine, id)


def _heal_nameless(engine: Engine, id: str) -> None:
    from plugrun.engine.build.marks import is_marked

    # A build's step has ended when its monitor has, but what it wrote is still to be committed.
    if not is_marked(engine, id):
        discard_nameless(engine, id)


def discard_nameless(engine: Engine, id: str) -> None:
    """Free what bears the ID of a container whose record is gone, or was never written."""
    for name in _listed(f"{engine.run_root}/isolation"):
        try:
            engine.isolation_named(name).delete(id, force=True)
        except NoSuchContainer:
            continue
    for name in _listed(f"{engine.run_root}/network"):
        _detach(engine, name, id)
    for storage in stored_backends(engine):
        try:
            storage.remove(id)
        except NoSuchSnapshot:
            continue
    remove_folder(engine.container_folder(id))
    remove_folder(engine.task_folder(id))


def _detach(engine: Engine, name: str, id: str) -> None:
    try:
        engine.network_named(name).detach(id)
    except (PluginError, BackendUnavailable):
        return  # its distribution was removed, or lacks a part


def heal_storage(engine: Engine) -> None:
    """Free snapshots that were made for an act that is over; only while no act is under way."""
    lock = engine.locks.try_exclusive("images")
    if lock is None:
        return
    with lock:
        # One that has moved, or that was being moved, may have a second snapshot elsewhere.
        known = {(one.storage.name, one.id) for one in engine.metadata.each_container()}
        for name in stored_names(engine):
            storage = _usable(engine, name)
            if storage is None:
                continue
            storage.sweep()
            for snapshot in list(storage.walk()):
                if snapshot.kind != "committed" and (name, snapshot.key) not in known:
                    try:
                        storage.remove(snapshot.key)
                    except Conflict:
                        continue


def stored_backends(engine: Engine) -> Iterator[Storage]:
    """Yield every storage that has state below this root and is installed."""
    for name in stored_names(engine):
        found = _usable(engine, name)
        if found is not None:
            yield found


def _usable(engine: Engine, name: str) -> Storage | None:
    try:
        return engine.storage_named(name)
    except (PluginError, BackendUnavailable):
        # Its distribution was removed, or lacks a part; its state waits for it to come back.
        return None


def stored_names(engine: Engine) -> list[str]:
    """Return the names of all storages that have a folder below this root."""
    return sorted(_listed(f"{engine.root}/storage"))


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
