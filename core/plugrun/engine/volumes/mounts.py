"""Which mounts a new container has: of its options, of other containers, of its image."""

from __future__ import annotations

import os

from plugrun.engine.containers import find_container
from plugrun.engine.volumes.folders import volume_data
from plugrun.errors import InvalidArgument
from plugrun.linux.filesystem import PROC_MAGIC, filesystem_magic
from plugrun.model.mountpoint import (
    BIND,
    BY_CONTAINER,
    BY_IMAGE,
    BY_VOLUME,
    TMPFS,
    VOLUME,
    MountPoint,
)
from plugrun.model.record import replace
from plugrun.model.volume import LOCAL, check_volume, random_volume_name

# What runc lets be covered: files that tell of the machine, and that lxcfs has better ones of.
_PLAIN_IN_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"),
        *("net/dev", "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine
    from plugrun.engine.request import RunRequest

_MODES = frozenset(("ro", "rw", "z", "Z", "nocopy"))


def decide_mounts(
    engine: Engine, request: RunRequest, volumes: Iterable[str], id: str
) -> tuple[MountPoint, ...]:
    """Return a new container's mount points; nothing is made.

    ``volumes`` are those the image declares. What the options ask for covers what
    ``--volumes-from`` brings at the same target; the image's volumes, and lone ``-v PATH``, are
    only for targets that have nothing. Anonymous volumes are given their names. ``id`` is the
    container's.
    """
    found = {p.target: p for text in request.volumes_from for p in _from_container(engine, text)}
    lone = [p for p in request.mounts if p.anonymous and p.given == BY_VOLUME]
    for point in request.mounts:
        if point not in lone:
            found[point.target] = _named(engine, point)
    declared = [MountPoint(VOLUME, plain(t), anonymous=True, given=BY_IMAGE) for t in volumes]
    for point in (*lone, *declared):
        if point.target not in found:
            found[point.target] = _named(engine, point)
    for point in found.values():
        if point.target == "/":
            raise InvalidArgument("invalid specification: destination can't be '/'")
        _check_proc(point)
    return tuple(
        replace(p, place=f"{engine.run_root}/subpaths/{id}-{n}") if p.subpath else p
        for n, p in enumerate(found.values())
    )


def _check_proc(point: MountPoint) -> None:
    """Refuse what runc refuses: what lies on or in /proc would lie about processes and limits."""
    if point.target != "/proc" and not point.target.startswith("/proc/"):
        return
    place = f'error mounting "{point.source or TMPFS}" to rootfs at "{point.target}": '
    if point.target in _PLAIN_IN_PROC:
        return
    if point.target != "/proc":
        raise InvalidArgument(
            f'{place}"{point.target}" cannot be mounted because it is inside /proc'
        )
    if point.kind != BIND or _filesystem(point.source) != PROC_MAGIC:
        raise InvalidArgument(f'{place}"/proc" cannot be mounted because it is not of type proc')


def _filesystem(path: str) -> int:
    try:
        return filesystem_magic(path)
    except OSError:
        return 0


def volume_targets(request: RunRequest, volumes: Iterable[str]) -> tuple[str, ...]:
    """Return Docker's Config.Volumes: what the image and lone ``-v PATH`` declare."""
    lone = [p.target for p in request.mounts if p.anonymous and p.given == BY_VOLUME]
    return tuple(dict.fromkeys((*lone, *volumes)))


def plain(path: str) -> str:
    """Return the target an image declares as an absolute path that cannot climb."""
    return "/" + os.path.normpath(f"/{path}").lstrip("/")


def _named(engine: Engine, point: MountPoint) -> MountPoint:
    """Give a volume its name, driver and place."""
    if point.kind != VOLUME:
        return point
    name = point.volume or random_volume_name()
    driver = point.driver or LOCAL
    check_volume(name, driver, point.options)
    mode = point.mode or ("" if point.given in (BY_IMAGE, BY_VOLUME) and not point.volume else "z")
    source = volume_data(engine, name)
    return replace(point, volume=name, driver=driver, source=source, mode=mode)


def _from_container(engine: Engine, text: str) -> list[MountPoint]:
    """Return the mounts of another container, as ``NAME[:MODE]`` asks."""
    if not text:
        raise InvalidArgument("volumes-from specification cannot be an empty string")
    name, _, mode = text.partition(":")
    modes = frozenset(mode.split(",")) if mode else frozenset()
    if not modes <= _MODES or {"ro", "rw"} <= modes:
        raise InvalidArgument(f"invalid mode: {mode}")
    other = find_container(engine, name)
    return [
        replace(
            point,
            given=BY_CONTAINER,
            read_only=point.read_only or "ro" in modes,
            no_copy=True,
            create_source=False,
        )
        for point in other.mounts
        if point.kind != TMPFS
    ]
