"""What a container's volumes need while it runs: mounts of their own, and paths within them.

A volume with options (type, device, o) is mounted at its place when its first user starts, and
unmounted when its last has ended. A file for each user says who they are; a reboot forgets them
together with the mounts. A path within a volume is opened beneath the volume and mounted aside,
since whoever writes to the volume may put a symlink there at any moment (CVE-2021-30465).
"""

from __future__ import annotations

import os

from plugrun.engine.volumes.folders import LOCK, options_of, volume_data
from plugrun.errors import PlugrunError
from plugrun.linux.beneath import open_in_root
from plugrun.linux.filesystem import make_private, unlink
from plugrun.linux.mountinfo import is_mounted
from plugrun.linux.mounting import (
    MNT_DETACH,
    MS_BIND,
    MS_REC,
    MS_REMOUNT,
    mount,
    parse_options,
    umount,
)
from plugrun.model.mountpoint import VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.mountpoint import MountPoint


def begin_volumes(engine: Engine, container: Container) -> None:
    """Mount what a container's volumes need, before it is started; it can be repeated."""
    for point in container.mounts:
        if point.kind != VOLUME:
            continue
        if options_of(engine, point.volume):
            _serve(engine, point.volume, container.id)
        if point.place:
            _mount_subpath(engine, point)
        attributes = {
            "container": container.id,
            "destination": point.target,
            "driver": point.driver,
            "propagation": point.propagation,
            "read/write": "false" if point.read_only else "true",
        }
        engine.emit("volume", "mount", point.volume, attributes)


def end_volumes(engine: Engine, container: Container) -> None:
    """Unmount what nobody needs after a container has ended; it can be repeated."""
    for point in container.mounts:
        if point.kind != VOLUME:
            continue
        if point.place:
            _unmount_subpath(point.place)
        if os.path.exists(f"{_users(engine, point.volume)}/{container.id}"):
            _unserve(engine, point.volume, container.id)


def tell_unmounted(engine: Engine, container: Container) -> None:
    """Record that a container that ran has let go of its volumes."""
    for point in container.mounts:
        if point.kind == VOLUME:
            attributes = {"container": container.id, "driver": point.driver}
            engine.emit("volume", "unmount", point.volume, attributes)


class Served:
    """A volume with its own mount in its place, for the length of a ``with``."""

    def __init__(self, engine: Engine, name: str, user: str) -> None:
        self._engine, self._name, self._user = engine, name, user
        self._mounted = bool(options_of(engine, name))

    def __enter__(self) -> None:
        if self._mounted:
            _serve(self._engine, self._name, self._user)

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            _unserve(self._engine, self._name, self._user)


def _users(engine: Engine, name: str) -> str:
    return f"{engine.run_root}/volumes/{name}"


def _serve(engine: Engine, name: str, user: str) -> None:
    users, data = _users(engine, name), volume_data(engine, name)
    with engine.locks.exclusive(LOCK):
        make_private(users)
        os.close(os.open(f"{users}/{user}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        if not is_mounted(data):
            try:
                _mount_volume(options_of(engine, name), data)
            except OSError as error:
                _forget_user(users, user)
                raise PlugrunError(
                    f"error while mounting volume '{data}': failed to mount local volume: "
                    f"{(error.strerror or '').lower()}",
                    hint="see its options: plugrun volume inspect " + name,
                ) from error


def _unserve(engine: Engine, name: str, user: str) -> None:
    users = _users(engine, name)
    with engine.locks.exclusive(LOCK):
        if _forget_user(users, user) and is_mounted(volume_data(engine, name)):
            umount(volume_data(engine, name), MNT_DETACH)


def _forget_user(users: str, user: str) -> bool:
    """Strike a user off the list; return whether it was the last."""
    unlink(f"{users}/{user}")
    try:
        os.rmdir(users)
    except FileNotFoundError:
        return False
    except OSError:
        # Others use it still.
        return False
    return True


def _mount_volume(options: dict[str, str], place: str) -> None:
    flags, _, propagation, data = parse_options(options.get("o", "").split(","))
    device, kind = options["device"], options["type"]
    bind = flags & (MS_BIND | MS_REC)
    if not bind:
        mount(device, place, kind, flags, data.strip(","))
        return
    mount(device, place, "", bind)
    if flags & ~bind:
        mount("", place, "", (flags & ~MS_REC) | MS_REMOUNT)
    if propagation:
        mount("", place, "", propagation)


def _mount_subpath(engine: Engine, point: MountPoint) -> None:
    place = point.place
    _unmount_subpath(place)
    data = volume_data(engine, point.volume)
    root = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = open_in_root(root, point.subpath, os.O_PATH)
    except OSError as error:
        raise PlugrunError(
            f"cannot access path {data}/{point.subpath}: {(error.strerror or '').lower()}",
            hint="make it in the volume first",
        ) from error
    finally:
        os.close(root)
    try:
        make_private(os.path.dirname(place))
        if os.path.isdir(f"/proc/self/fd/{source}"):
            os.mkdir(place, 0o700)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        mount(f"/proc/self/fd/{source}", place, "", MS_BIND | MS_REC)
    finally:
        os.close(source)


def _unmount_subpath(place: str) -> None:
    if is_mounted(place):
        umount(place, MNT_DETACH)
    try:
        os.rmdir(place)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(place)
