"""What a build is at work on, written down so that the next command can free it after a kill.

Each mark is a file named by the key of a snapshot (and of the container in it), or of a temporary
folder, and names the process that works there, and the IDs that are the container's alone. It is
written before anything of that is made, and goes after it.
"""

from __future__ import annotations

import os

from plugrun.linux.alive import is_alive, start_time
from plugrun.linux.filesystem import make_private, unlink, write_whole
from plugrun.model.idmap import IdMap, IdRange
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container

FOLDER_PREFIX = "context-"


def marks_folder(engine: Engine) -> str:
    """Return where marks lie."""
    return f"{engine.root}/build/active"


def mark(engine: Engine, key: str, ids: object = None) -> None:
    """Say that this process works on what a key names."""
    folder = marks_folder(engine)
    make_private(folder)
    pid = os.getpid()
    told = f" {dumps(ids)}" if ids else ""
    write_whole(f"{folder}/{key}", f"{pid} {start_time(pid)}{told}".encode())


def mark_ids(engine: Engine, container: Container) -> Container:
    """Say as well which IDs a step's container has; nobody else gets them while it is at work."""
    mark(engine, container.id, [container.uid_map, container.gid_map])
    return container


def marked_ids(engine: Engine) -> Iterator[IdMap]:
    """Yield the IDs that containers of steps have."""
    folder = marks_folder(engine)
    for name in _listed(folder):
        text = _read(f"{folder}/{name}").partition(b" ")[2].partition(b" ")[2]
        if text and ".tmp-" not in name:
            uids, gids = loads(text)
            yield IdMap(tuple(IdRange(*row) for row in uids), tuple(IdRange(*row) for row in gids))


def is_marked(engine: Engine, key: str) -> bool:
    """Whether a build that is alive works on what a key names."""
    text = _read(f"{marks_folder(engine)}/{key}")
    return bool(text) and _names_living(text)


def unmark(engine: Engine, key: str) -> None:
    """Say that there is nothing of it any more, or that others look after it."""
    unlink(f"{marks_folder(engine)}/{key}")


def temporary_folder(engine: Engine) -> str:
    """Make a folder that goes with this process, or with the next command; return its path."""
    key = FOLDER_PREFIX + os.urandom(8).hex()
    mark(engine, key)
    path = f"{engine.root}/build/{key}"
    make_private(path)
    return path


def remove_temporary(engine: Engine, path: str) -> None:
    """Remove what ``temporary_folder`` made, with all that is in it."""
    from plugrun.layers.removal import remove_tree

    above, name = os.path.split(path)
    parent = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(os.fsencode(name), parent)
    except FileNotFoundError:
        pass
    finally:
        os.close(parent)
    unmark(engine, name)


def sweep(engine: Engine) -> None:
    """Free what builds left that were killed; quick when there is nothing."""
    folder = marks_folder(engine)
    for name in _listed(folder):
        if ".tmp-" in name:
            # About to be written, or half-written: the name ends with who does it.
            writer = int(name.rpartition("-")[2])
            if not is_alive(writer, start_time(writer)):
                unlink(f"{folder}/{name}")
            continue
        if _is_at_work(f"{folder}/{name}"):
            continue
        lock = engine.locks.try_exclusive(f"heal-{name}")
        if lock is None:
            continue
        with lock:
            _free(engine, name)
        unlink(f"{engine.run_root}/locks/heal-{name}")


def _free(engine: Engine, name: str) -> None:
    if name.startswith(FOLDER_PREFIX):
        remove_temporary(engine, f"{engine.root}/build/{name}")
        return
    from plugrun.engine.heal import discard_nameless

    discard_nameless(engine, name)
    unmark(engine, name)


def _is_at_work(path: str) -> bool:
    text = _read(path)
    return not text or _names_living(text)


def _names_living(text: bytes) -> bool:
    pid, started = text.split(b" ", 2)[:2]
    return pid.isdigit() and started.isdigit() and is_alive(int(pid), int(started))


def _read(path: str) -> bytes:
    """Return what a mark says, nothing if it is gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
