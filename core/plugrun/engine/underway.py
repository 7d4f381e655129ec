"""What commands are about to make or to remove, written down: the next one notices a kill.

A container that is made or removed has its task file, and a build's step its mark. All else bears
no name before it is whole, or after it has been forgotten: snapshots that are unpacked, layers
written aside, bridges. So a file says of which kind it is and whose, ``KIND-PID-START-LETTERS``
below ``underway`` of the run root, from before anything is made until all of it is. One whose
process is dead stands for a sweep. A container's ID in the kind is of one that is to be removed
to the end, or that was paused for a moment and is to go on.
"""

from __future__ import annotations

import os
import sys

from plugrun.engine.heal import heal_storage
from plugrun.errors import (
    BackendUnavailable,
    Conflict,
    NoSuchContainer,
    PluginError,
    PlugrunError,
)
from plugrun.linux.alive import is_alive, start_time
from plugrun.linux.filesystem import make_private, unlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine

STORAGE, NETWORKS = "storage", "networks"
ORPHANS = "orphans"  # of storages as well: also what is whole is nobody's after a kill
_STILL, _REMOVED, _REMOVED_ALL = "still.", "rm.", "rmv."


class UnderWay:
    """To be used with ``with`` around what this process makes or removes of one kind."""

    def __init__(self, engine: Engine, kind: str) -> None:
        pid = os.getpid()
        name = f"{kind}-{pid}-{start_time(pid)}-{os.urandom(4).hex()}"
        self._folder = f"{engine.run_root}/underway"
        self._path = f"{self._folder}/{name}"

    def __enter__(self) -> None:
        _touch(self._folder, self._path)

    def __exit__(self, *_: object) -> None:
        unlink(self._path)


def still(engine: Engine, id: str) -> UnderWay:
    """Return what stands for a container that is paused for a moment."""
    return UnderWay(engine, _STILL + id)


def removal(engine: Engine, id: str, *, volumes: bool) -> UnderWay:
    """Return what stands for a container that is removed, perhaps with its volumes."""
    return UnderWay(engine, (_REMOVED_ALL if volumes else _REMOVED) + id)


def note_killed(engine: Engine) -> None:
    """Say that somebody was killed who may have been at work on anything."""
    folder = f"{engine.run_root}/underway"
    try:
        for kind in (STORAGE, NETWORKS):
            _touch(folder, f"{folder}/{kind}-0-0-killed")
    except OSError:
        return  # a full disk: what is freed now matters more, and `system check` finds the rest


def _touch(folder: str, path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.close(os.open(path, flags, 0o600))
    except FileNotFoundError:
        make_private(folder)
        os.close(os.open(path, flags, 0o600))


def sweep(engine: Engine) -> None:
    """Free what the killed were at; what cannot be freed now is left to the next command."""
    folder = f"{engine.run_root}/underway"
    dead: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        kind, pid, started, _ = name.split("-")
        if not is_alive(int(pid), int(started)):
            dead.setdefault(kind, []).append(name)
    for kind, names in dead.items():
        for name in names if _is_swept(engine, kind) else ():
            unlink(f"{folder}/{name}")


def _is_swept(engine: Engine, kind: str) -> bool:
    try:
        return _sweep(engine, kind)
    except (PluginError, BackendUnavailable):
        return False  # `system check` tells of it
    except (PlugrunError, OSError) as error:
        sys.stderr.write(f"WARNING: what a killed command left stays for now: {error}\n")
        return False  # in nobody else's way


def _sweep(engine: Engine, kind: str) -> bool:
    if kind.startswith(_STILL):
        return _let_go_on(engine, kind.removeprefix(_STILL))
    if kind.startswith((_REMOVED, _REMOVED_ALL)):
        volumes = kind.startswith(_REMOVED_ALL)
        return _remove(engine, kind.partition(".")[2], volumes) and heal_storage(engine)
    if kind == NETWORKS:
        return _sweep_networks(engine)
    swept = heal_storage(engine)
    if swept and kind == ORPHANS:
        from plugrun.engine.images.collect import collect_orphans

        collect_orphans(engine)
    return swept


def _let_go_on(engine: Engine, id: str) -> bool:
    from plugrun.engine.pause import unpause

    try:
        unpause(engine, id)
    except (Conflict, NoSuchContainer):
        return True  # it goes on already, or has ended
    return True


def _remove(engine: Engine, id: str, volumes: bool) -> bool:
    from plugrun.engine.discard import remove_stopped
    from plugrun.engine.taskfile import read_task_file, serve_lock

    lock = engine.locks.try_exclusive(serve_lock(id))
    if lock is None:
        return False  # somebody else removes it, or begins it again
    with lock:
        container = engine.metadata.container(id)
        if container is not None and read_task_file(engine.task_folder(id)) is None:
            remove_stopped(engine, container, volumes=volumes)
    return True


def _sweep_networks(engine: Engine) -> bool:
    """Take from the host what belongs to no network; return False while one is being made."""
    from plugrun.engine.networks.find import LOCK

    lock = engine.locks.try_exclusive(LOCK)
    if lock is None:
        return False
    with lock:
        known = frozenset(network.id for network in engine.metadata.networks.all())
        for name in _listed(f"{engine.run_root}/network"):
            try:
                engine.network_named(name).sweep(known)
            except (PluginError, BackendUnavailable):
                continue  # its distribution was removed, or lacks a part
    return True


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
