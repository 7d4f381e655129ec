"""A container's mount points as mounts of the runtime spec."""

from __future__ import annotations

from plugrun.model.mountpoint import TMPFS, VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.model.mountpoint import MountPoint
    from plugrun.model.spec import SpecMount

# Docker's for a tmpfs; an option that is given wins over the one that says the opposite.
_TMPFS_OPTIONS = ("noexec", "nosuid", "nodev", "rprivate")
_OPPOSITES = (
    *(("ro", "rw"), ("exec", "noexec"), ("suid", "nosuid"), ("dev", "nodev")),
    *(("atime", "noatime"), ("diratime", "nodiratime"), ("sync", "async")),
    *(("relatime", "norelatime"), ("strictatime", "nostrictatime")),
)


def with_mount_points(
    defaults: Sequence[SpecMount], points: Sequence[MountPoint]
) -> list[SpecMount]:
    """Return the engine's own mounts and a container's, in the order they are performed in.

    As in Docker a mount point replaces the default at the same target, and one at /dev all those
    below it. File systems come first, then what is bound, the engine's own too, shorter targets
    first: so /a does not cover /a/b, nor a volume at /etc the container's hosts.
    """
    targets = {point.target for point in points}
    kept = [
        mount
        for mount in defaults
        if mount["destination"] not in targets
        and not ("/dev" in targets and mount["destination"].startswith("/dev/"))
    ]
    bound = [mount for mount in kept if mount["type"] == "bind"]
    later = sorted([*bound, *map(spec_mount, points)], key=_depth)
    return [*(mount for mount in kept if mount["type"] != "bind"), *later]


def _depth(mount: SpecMount) -> int:
    return mount["destination"].rstrip("/").count("/")


def spec_mount(point: MountPoint) -> SpecMount:
    """Return the mount that makes a mount point."""
    if point.kind == TMPFS:
        options, kind, source = tmpfs_options(point), "tmpfs", "tmpfs"
    else:
        options, kind, source = _bind_options(point), "bind", point.place or point.source
    return {"destination": point.target, "type": kind, "source": source, "options": options}


def _bind_options(point: MountPoint) -> list[str]:
    options = ["bind" if point.recursive == "disabled" else "rbind"]
    if point.read_only:
        # Docker's since 25: what is mounted below becomes read-only too, unless told otherwise.
        options += ["ro"] if point.recursive in ("disabled", "writable") else ["ro", "rro"]
    if point.kind == VOLUME:
        return [*options, "rprivate"]
    return [*options, point.propagation or "rprivate"]


def tmpfs_options(point: MountPoint) -> list[str]:
    """Return a tmpfs's options: Docker's defaults, and over them what was given."""
    options = [*_TMPFS_OPTIONS, *(option for option in point.mode.split(",") if option)]
    if point.tmpfs_size:
        options.append(f"size={point.tmpfs_size}")
    if point.tmpfs_mode >= 0:
        options.append(f"mode={point.tmpfs_mode:o}")
    if point.read_only:
        options.append("ro")
    kept: dict[str, str] = {}
    for option in options:
        kept.pop(_slot(option), None)
        kept[_slot(option)] = option
    return list(kept.values())


def _slot(option: str) -> str:
    """Name what an option decides, so that the last word on it counts."""
    for pair in _OPPOSITES:
        if option in pair:
            return pair[0]
    name = option.partition("=")[0]
    return "propagation" if name.endswith(("private", "shared", "slave", "unbindable")) else name
