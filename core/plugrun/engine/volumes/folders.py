"""Where volumes lie: ``volumes/NAME/_data`` below the root, as in Docker.

The record comes before the folder and goes before it, so a folder without a record is nobody's.
What is to be removed is first renamed, under the lock that also makes folders: a volume of the
same name can be made at once, and a remover that was killed leaves what ``sweep`` can tell.
"""

from __future__ import annotations

import fcntl
import os
import stat

from plugrun.linux.filesystem import make_private, write_whole
from plugrun.linux.mountinfo import is_mounted
from plugrun.linux.mounting import MNT_DETACH, umount
from plugrun.model.jsontext import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.model.volume import Volume

# Held while records and folders are made to agree.
LOCK = "volumes"
_REMOVED = ".removed-"  # no volume's name begins so
_OPTIONS = "options.json"


def volume_folder(engine: Engine, name: str) -> str:
    """Return a volume's folder."""
    return f"{engine.root}/volumes/{name}"


def volume_data(engine: Engine, name: str) -> str:
    """Return where a volume's files are: Docker's Mountpoint."""
    return f"{volume_folder(engine, name)}/_data"


def make_folder(engine: Engine, volume: Volume) -> None:
    """Make a volume's folder if it is not there; ``LOCK`` must be held."""
    folder = volume_folder(engine, volume.name)
    if os.path.isdir(f"{folder}/_data"):
        return
    make_private(folder)
    if volume.options:
        write_whole(f"{folder}/{_OPTIONS}", dumps(dict(volume.options)).encode())
    # Seen by every user of a container; the folders above it keep others out.
    os.mkdir(f"{folder}/_data", 0o755)
    os.chmod(f"{folder}/_data", 0o755)


def options_of(engine: Engine, name: str) -> dict[str, str]:
    """Return what is mounted at a volume's place while it is used: type, device, o."""
    try:
        with open(f"{volume_folder(engine, name)}/{_OPTIONS}", "rb") as file:
            found: dict[str, str] = loads(file.read())
            return found
    except FileNotFoundError:
        return {}


def has_options(data: str) -> bool:
    """Whether the volume whose files are at ``data`` is something that its options mount there."""
    return os.path.exists(f"{os.path.dirname(data)}/{_OPTIONS}")


def set_aside(engine: Engine, names: Iterable[str]) -> list[str]:
    """Take folders from their names and return where they are now; ``LOCK`` must be held."""
    moved = []
    for name in names:
        _unmount(volume_data(engine, name))
        aside = f"{engine.root}/volumes/{_REMOVED}{os.urandom(8).hex()}"
        try:
            os.rename(volume_folder(engine, name), aside)
        except FileNotFoundError:
            continue
        moved.append(aside)
    return moved


def _unmount(path: str) -> None:
    """Make sure that a removal reaches the volume's own files, not what is mounted over them."""
    while is_mounted(path):
        umount(path, MNT_DETACH)


def remove_set_aside(paths: Iterable[str]) -> None:
    """Remove folders that were set aside; what another command is removing is left to it."""
    from plugrun.layers.removal import remove_tree

    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _unmount(f"{path}/_data")
            above = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove_tree(os.fsencode(os.path.basename(path)), above)
            finally:
                os.close(above)
        except (BlockingIOError, FileNotFoundError):
            continue
        finally:
            os.close(fd)


def tree_size(top: str) -> int:
    """Return the bytes of a tree's files, each counted once however many names it has.

    A tree that somebody has taken away has none.
    """
    from plugrun.layers.treeread import Walk

    seen = set()
    total = 0
    try:
        fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        for node in Walk(fd):
            state = node.state
            if stat.S_ISREG(state.st_mode) and (state.st_dev, state.st_ino) not in seen:
                seen.add((state.st_dev, state.st_ino))
                total += state.st_size
    finally:
        os.close(fd)
    return total


def sweep(engine: Engine) -> None:
    """Remove what killed commands left: folders set aside, and those without a record."""
    place = f"{engine.root}/volumes"
    if not os.path.isdir(place):
        return
    found = os.listdir(place)
    known = engine.metadata.volumes.names()
    if any(name not in known and not name.startswith(_REMOVED) for name in found):
        with engine.locks.exclusive(LOCK):
            known = engine.metadata.volumes.names()
            lost = [n for n in os.listdir(place) if n not in known and not n.startswith(_REMOVED)]
            set_aside(engine, lost)
        found = os.listdir(place)
    remove_set_aside(f"{place}/{name}" for name in found if name.startswith(_REMOVED))
