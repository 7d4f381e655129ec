"""What builds keep for the next one: results of steps, and folders of ``--mount=type=cache``."""

from __future__ import annotations

import os
import stat

from plugrun.engine.build.cachemounts import mounts_folder, use_lock
from plugrun.engine.build.digests import digests_path
from plugrun.engine.build.sources import open_beneath
from plugrun.engine.images.collect import collect_orphans
from plugrun.engine.images.layersizes import layer_size
from plugrun.engine.prune import Pruned
from plugrun.layers.removal import remove_tree
from plugrun.linux.filesystem import unlink
from plugrun.model.record import record
from plugrun.store.buildcache import BuildCache, cache_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.engine import Engine

STEP = "regular"
MOUNT = "exec.cachemount"


@record
class Kept:
    """One thing that is kept, in Docker's words: ``kind`` is regular or exec.cachemount.

    ``in_use`` says that an image has it too, so that its removal frees nothing. ``size`` is in
    bytes, times in nanoseconds since the epoch; ``uses`` is 0 where that is not counted.
    """

    id: str
    kind: str
    description: str
    size: int
    created_ns: int
    used_ns: int
    uses: int
    in_use: bool


def kept_by_builds(engine: Engine) -> list[Kept]:
    """Return all that is kept, those first that were used the longest time ago."""
    found = [*_steps(engine), *_mounts(engine)]
    return sorted(found, key=lambda one: one.used_ns)


def _steps(engine: Engine) -> Iterator[Kept]:
    if not os.path.exists(cache_path(engine.root)):
        return
    with BuildCache(engine.root) as cache:
        entries = cache.all()
    held = {chain for image in engine.metadata.images() for chain in image.chain}
    seen: set[str] = set()
    for one in entries:
        # A step may be found by several keys; its layer counts once.
        top = one.chain[-1] if one.diff_id else ""
        size = layer_size(engine, top) if top and top not in seen else 0
        seen.add(top)
        in_use = not one.chain or one.chain[-1] in held
        yield Kept(
            one.key, STEP, one.description, size, one.created_ns, one.used_ns, one.uses, in_use
        )


def _mounts(engine: Engine) -> Iterator[Kept]:
    folder = mounts_folder(engine.root)
    for name in _listed(folder):
        try:
            with open(f"{folder}/{name}/id", encoding="utf-8", errors="replace") as file:
                id = file.read()
            state = os.stat(f"{folder}/{name}")
        except FileNotFoundError:
            continue
        size = _size(f"{folder}/{name}")
        used = max(state.st_mtime_ns, *(_changed(f"{folder}/{name}/{n}") for n in ("0", "1")))
        yield Kept(name, MOUNT, f"cache mount {id}", size, state.st_mtime_ns, used, 0, False)


def _changed(path: str) -> int:
    try:
        return os.stat(f"{path}/data").st_mtime_ns
    except FileNotFoundError:
        return 0


def prune_builds(
    engine: Engine, all: bool, wanted: Callable[[Kept], bool], keep_bytes: int = 0
) -> Pruned:
    """Remove what is kept and ``wanted`` gone; without ``all`` only results that no image has.

    The oldest go first, until what is left takes at most ``keep_bytes``. What a build is at work
    with stays.
    """
    found = kept_by_builds(engine)
    left = sum(one.size for one in found)
    gone: list[Kept] = []
    for one in found:
        if keep_bytes and left <= keep_bytes:
            break
        if not wanted(one) or (one.in_use and not all):
            continue
        gone.append(one)
        left -= one.size
    steps = [one.id for one in gone if one.kind == STEP]
    if steps:
        with BuildCache(engine.root) as cache:
            cache.remove(steps)
    mounts = [one for one in gone if one.kind == MOUNT and _remove_mount(engine, one.id)]
    if all and not keep_bytes:
        for tail in ("", "-wal", "-shm"):
            unlink(digests_path(engine.root) + tail)
    reclaimed = collect_orphans(engine) + sum(one.size for one in mounts)
    engine.emit("builder", "prune", "", {"reclaimed": str(reclaimed)})
    return Pruned((*steps, *(one.id for one in mounts)), reclaimed)


def _remove_mount(engine: Engine, name: str) -> bool:
    lock = engine.locks.try_exclusive(use_lock(name))
    if lock is None:
        return False
    with lock:
        folder = os.open(mounts_folder(engine.root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(name.encode(), folder)
        finally:
            os.close(folder)
    return True


def _size(path: str) -> int:
    """Return the sizes of all files in a folder of builds' own; nothing is followed.

    A build may be at work there: what is gone meanwhile counts no more.
    """
    total = 0
    top = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    todo = [""]
    try:
        while todo:
            inside = todo.pop()
            try:
                fd = open_beneath(top, inside, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                continue  # gone, or something else by now
            try:
                for name in os.listdir(fd):
                    state = _state(fd, name)
                    if state is not None and stat.S_ISDIR(state.st_mode):
                        todo.append(f"{inside}/{name}" if inside else name)
                    elif state is not None:
                        total += state.st_size
            finally:
                os.close(fd)
    finally:
        os.close(top)
    return total


def _state(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
