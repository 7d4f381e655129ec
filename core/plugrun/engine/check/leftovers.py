"""What killed commands and hands left beside storages: folders, tasks, mounts, processes."""

from __future__ import annotations

import os

from plugrun.cgroups.cgroupfs import open_process
from plugrun.engine.check.findings import found
from plugrun.engine.discard import remove_folder
from plugrun.engine.heal import heal
from plugrun.engine.taskfile import read_task_file, watch_lock
from plugrun.engine.volumes.folders import sweep
from plugrun.errors import NoSuchContainer
from plugrun.linux.filesystem import make_private
from plugrun.linux.mountinfo import mounts_beneath
from plugrun.linux.mounting import MNT_DETACH, umount
from plugrun.linux.signals import raw as signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Found
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

_ID_LENGTH = 64
_NEEDED = ("config.json", "hostname", "hosts", "resolv.conf")


def check_leftovers(engine: Engine) -> Iterator[Found]:
    """Yield bundles, tasks, cgroups, volumes, mounts and servers that do not fit."""
    containers = {one.id: one for one in engine.metadata.each_container()}
    served = set(_listed(f"{engine.run_root}/containers"))
    yield from _bundles(engine, containers, served)
    yield from _tasks(engine, containers, served)
    yield from _isolated(engine, containers, served)
    yield from _volumes(engine)
    yield from _mounts(engine)
    if not any(_is_in_use(engine, id) for id in served.union(containers)):
        yield from _servers(engine)


def _bundles(engine: Engine, containers: dict[str, Container], served: set[str]) -> Iterator[Found]:
    for one in containers.values():
        folder = engine.container_folder(one.id)
        lost = [name for name in _NEEDED if not os.path.exists(f"{folder}/{name}")]
        if lost and one.id not in served:
            why = f"{', '.join(lost)} of its bundle are gone: it cannot start"
            yield found("container", one.name, f"{why} ({folder})", f"plugrun rm {one.name}")
    for id in _listed(f"{engine.root}/containers"):
        if id not in containers and id not in served:
            folder = engine.container_folder(id)
            why = "no container has this folder; it takes room"
            yield found("container", folder, why, "remove it", lambda f=folder: remove_folder(f))  # type: ignore[misc]


def _tasks(engine: Engine, containers: dict[str, Container], served: set[str]) -> Iterator[Found]:
    for id in sorted(served):
        task = read_task_file(engine.task_folder(id))
        if task is not None and (task.attended or task.running):
            continue
        name = containers[id].name if id in containers else id
        why = "its processes were killed; what they used is still there"
        yield found(
            "task", f"{engine.task_folder(id)} ({name})", why, "clean up", lambda: heal(engine)
        )


def _isolated(
    engine: Engine, containers: dict[str, Container], served: set[str]
) -> Iterator[Found]:
    """What an isolation made for containers that are gone: its state, and with it cgroups."""
    for backend in _listed(f"{engine.run_root}/isolation"):
        for id in _listed(f"{engine.run_root}/isolation/{backend}"):
            if len(id) != _ID_LENGTH or id in containers or id in served:
                continue  # an isolation may keep other things beside its tasks
            place = f"{engine.run_root}/isolation/{backend}/{id}"
            why = "it was made for a container that is gone; its cgroups are still there"
            yield found(
                "cgroup",
                place,
                why,
                "remove both",
                lambda b=backend, i=id: _delete(engine, b, i),  # type: ignore[misc]
            )


def _delete(engine: Engine, backend: str, id: str) -> None:
    try:
        engine.isolation_named(backend).delete(id, force=True)
    except NoSuchContainer:
        return


def _volumes(engine: Engine) -> Iterator[Found]:
    known, present = engine.metadata.volumes.names(), set(_listed(f"{engine.root}/volumes"))
    for name in sorted(present - known):
        path = f"{engine.root}/volumes/{name}"
        yield found("volume", path, "no volume has this folder", "remove it", lambda: sweep(engine))
    for name in sorted(known):
        data = f"{engine.root}/volumes/{name}/_data"
        if not os.path.isdir(data):
            why = (
                f"its folder is gone ({data}): containers with it cannot start, its files are lost"
            )
            yield found("volume", name, why, "make it anew, empty", lambda d=data: _make(d))  # type: ignore[misc]


def _make(data: str) -> None:
    make_private(os.path.dirname(data))
    os.mkdir(data, 0o755)
    os.chmod(data, 0o755)


def _mounts(engine: Engine) -> Iterator[Found]:
    """Mounts in the storages' and containers' folders: commands make theirs where nobody sees.

    Not those at the folders themselves: who keeps them on another disk mounted it there.
    """
    places = [f"{engine.root}/{one}" for one in ("storage", "containers")]
    chosen = {*places, *(f"{places[0]}/{name}" for name in _listed(places[0]))}
    for path in reversed(mounts_beneath([*places, f"{engine.run_root}/mnt"])):
        if path in chosen:
            continue
        why = "something is mounted here: files beneath it cannot be seen or removed"
        yield found("mount", path, why, "unmount it", lambda p=path: umount(p, MNT_DETACH))  # type: ignore[misc]


def _servers(engine: Engine) -> Iterator[Found]:
    """Processes that serve a file system of ours though nothing of it can be mounted."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            serves = _serves(engine, entry)
        except OSError:
            continue  # it has ended
        if serves:
            why = "it serves a file system, and no container of this root runs"
            yield found(
                "server",
                f"process {entry}",
                why,
                "end it",
                lambda p=int(entry): _end(engine, p),  # type: ignore[misc]
            )


def _serves(engine: Engine, pid: str) -> bool:
    """Whether a process serves a file system of this root."""
    own = os.fsencode(f"{engine.root}/storage/")
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().split(b"\0")
    # Whole paths: another root may lie beneath a folder that ends like this one.
    ours = any(word.rpartition(b"=")[2].startswith(own) for word in words)
    return ours and _has_fuse(pid)


def _has_fuse(pid: str) -> bool:
    return any(
        os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/fuse" for fd in os.listdir(f"/proc/{pid}/fd")
    )


def _end(engine: Engine, pid: int) -> None:
    """Kill a server, unless its number is another process's by now."""
    fd = open_process(pid)
    if fd < 0:
        return
    try:
        # What is read now is of the process that the descriptor holds, if that one still lives.
        if _serves(engine, str(pid)):
            signals.pidfd_send_signal(fd, signals.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(fd)


def _is_in_use(engine: Engine, id: str) -> bool:
    """Whether a container runs, or a command has its files mounted."""
    task = read_task_file(engine.task_folder(id))
    if task is not None and (task.running or task.attended):
        return True
    lock = engine.locks.try_exclusive(watch_lock(id))
    if lock is None:
        return True
    lock.release()
    return False


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
