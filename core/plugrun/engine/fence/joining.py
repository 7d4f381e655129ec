"""Namespaces of other containers: named when a container is made, entered when it starts.

The other container's process, and with it the path of its namespace, is known at the start only;
so the bundle is filled in then (runtime-spec config-linux.md, Namespaces: a path is joined).
"""

from __future__ import annotations

import os

from plugrun.engine.containers import find_container
from plugrun.engine.places import shm_path
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import Conflict, NoSuchContainer
from plugrun.linux.filesystem import write_whole
from plugrun.model.jsontext import dumps, loads
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from plugrun.engine.engine import Engine
    from plugrun.interfaces.isolation import Task
    from plugrun.model.container import Container
    from plugrun.model.fence import Namespaces
    from plugrun.model.spec import RuntimeSpec

_PREFIX = "container:"


def joined(mode: str) -> str:
    """Return the container that a mode names, empty if it names none."""
    return mode.removeprefix(_PREFIX) if mode.startswith(_PREFIX) else ""


def named_in_full(engine: Engine, given: Namespaces) -> Namespaces:
    """Return modes with full IDs of containers in them; raise NoSuchContainer."""
    full = {
        kind: _PREFIX + find_container(engine, joined(mode)).id
        for kind, mode in (("pid", given.pid), ("ipc", given.ipc))
        if joined(mode)
    }
    return replace(given, **full)


def create_joined(engine: Engine, container: Container, create: Callable[[], Task]) -> Task:
    """Make a container's process where the namespaces it shares with others can be joined.

    The paths are written into its bundle. Raise Conflict, in Docker's words, if one of the others
    does not run.
    """
    spaces = container.namespaces
    if not any(map(joined, (spaces.pid, spaces.ipc, container.network))):
        return create()
    held: list[int] = []
    try:
        return _create(engine, container, held, create)
    finally:
        _close(held)


def _create(
    engine: Engine, container: Container, held: list[int], create: Callable[[], Task]
) -> Task:
    with_pid, with_ipc = joined(container.namespaces.pid), joined(container.namespaces.ipc)
    with_net = joined(container.network)
    path = f"{engine.container_folder(container.id)}/config.json"
    with open(path, "rb") as file:
        spec: RuntimeSpec = loads(file.read())
    shared = ""
    if container.uid_map:
        # Namespaces belong to a user namespace: who shares them shares that.
        held += _namespaces(engine, with_pid or with_ipc or with_net, ("user",))
        _enter(spec, "user", held[-1])
    if with_net:
        held.append(_network_namespace(engine, with_net))
        _enter(spec, "network", held[-1])
    if with_pid:
        held += _namespaces(engine, with_pid, ("pid",))
        _enter(spec, "pid", held[-1])
    if with_ipc:
        held += _ipc_namespaces(engine, with_ipc)
        _enter(spec, "ipc", held[-1])
        shared = _share_memory(spec, shm_path(engine, container.id))
    write_whole(path, dumps(spec).encode())
    if not shared:
        return create()
    from plugrun.engine.fence.sharedmemory import with_shared_memory

    return with_shared_memory(held[-2], shared, create)


def _enter(spec: RuntimeSpec, kind: str, fd: int) -> None:
    others = [n for n in spec["linux"]["namespaces"] if n["type"] != kind]
    # By this process's descriptor: the other's PID may be somebody else's by the time it is used.
    others.append({"type": kind, "path": f"/proc/{os.getpid()}/fd/{fd}"})
    spec["linux"]["namespaces"] = others


def _share_memory(spec: RuntimeSpec, place: str) -> str:
    """Let /dev/shm come from ``place`` and return it; empty if the user mounts something else."""
    for mount in spec["mounts"]:
        if mount["destination"] == "/dev/shm" and mount.get("source") in ("", place):
            mount["source"] = place
            return place
    return ""


def _namespaces(engine: Engine, id: str, kinds: tuple[str, ...]) -> list[int]:
    """Return descriptors of a running container's namespaces."""
    other = engine.metadata.container(id)
    if other is None:
        raise NoSuchContainer(f"No such container: {id}")
    stopped = Conflict(f"container {id} is not running", hint=f"start {other.name} first")
    task = read_task_file(engine.task_folder(id))
    if task is None or not task.running:
        raise stopped
    found: list[int] = []
    try:
        for kind in kinds:
            found.append(os.open(f"/proc/{task.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        _close(found)
        raise stopped from None
    if not task.running:
        # It ended meanwhile: whose they are is not known.
        _close(found)
        raise stopped
    return found


def _network_namespace(engine: Engine, id: str) -> int:
    try:
        return _namespaces(engine, id, ("net",))[0]
    except Conflict as error:
        raise Conflict(f"cannot join network of a non running container: {id}") from error


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def _ipc_namespaces(engine: Engine, id: str) -> list[int]:
    """Return descriptors of the mount and the IPC namespace of a container that shares them."""
    wrong = f"can't join IPC of container {id}:"
    try:
        found = _namespaces(engine, id, ("mnt", "ipc"))
    except (Conflict, NoSuchContainer) as error:
        raise type(error)(f"{wrong} {error.message}", hint=error.hint) from None
    other = engine.metadata.container(id)
    if other is None or other.namespaces.ipc not in ("shareable", "host"):
        _close(found)
        raise Conflict(
            f"{wrong} non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
        )
    return found
