"""What an image has at a volume's place is copied into the volume when that is empty, once.

The image is hostile: a symlink in the path is followed beneath its root. Two containers that come
with the same new volume take turns, and the second finds it filled. A mark stands beside the
volume while it is being filled: a copy that was killed is finished by who comes next.
"""

from __future__ import annotations

import errno
import fcntl
import os

from plugrun.engine.files.rootfs import bare_rootfs
from plugrun.engine.volumes.folders import options_of, volume_data, volume_folder
from plugrun.errors import InvalidArgument, PlugrunError
from plugrun.layers.treecopy import copy_tree
from plugrun.linux.beneath import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mountpoint import MountPoint

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def fill(engine: Engine, container: Container, points: Sequence[MountPoint]) -> None:
    """Fill a new container's empty volumes from its image, with everything files have."""
    wanted = [p for p in points if options_of(engine, p.volume) or _wants(engine, p.volume)]
    if not wanted:
        return
    with bare_rootfs(engine, container) as root:
        for point in wanted:
            source = _open_source(root, point.target)
            if source < 0:
                continue
            try:
                _fill_one(engine, container, point, source)
            finally:
                os.close(source)


def _fill_one(engine: Engine, container: Container, point: MountPoint, source: int) -> None:
    from plugrun.engine.volumes.serve import Served

    folder = os.open(volume_folder(engine, point.volume), _FOLDER)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with Served(engine, point.volume, f"{container.id}-copy"):
            if _wants(engine, point.volume):
                _copy(engine, point, source)
    finally:
        os.close(folder)


def _copy(engine: Engine, point: MountPoint, source: int) -> None:
    mark = _mark(engine, point.volume)
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    target = os.open(volume_data(engine, point.volume), _FOLDER)
    try:
        copy_tree(source, target)
    except OSError as error:
        raise PlugrunError(
            f"cannot copy {point.target} of the image into volume {point.volume}: {error.strerror}",
            hint="use the volume with nocopy, or free some space",
        ) from error
    finally:
        os.close(target)
    os.unlink(mark)


def _open_source(root: int, target: str) -> int:
    """Open the image's folder at a target; -1 if there is nothing to copy."""
    try:
        return open_in_root(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return -1
    except OSError as error:
        if error.errno == errno.ENOTDIR:
            raise InvalidArgument(
                f"cannot mount volume over existing file, file exists {target}",
                hint="mount the volume at a folder",
            ) from None
        raise


def _mark(engine: Engine, name: str) -> str:
    return f"{volume_folder(engine, name)}/filling"


def _wants(engine: Engine, name: str) -> bool:
    """Whether a volume is empty, or was not filled to the end."""
    if os.path.exists(_mark(engine, name)):
        return True
    with os.scandir(volume_data(engine, name)) as entries:
        return next(iter(entries), None) is None
