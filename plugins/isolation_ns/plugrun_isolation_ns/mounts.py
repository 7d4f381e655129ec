"""The spec's ``mounts``, and what masks and guards /proc and /sys."""

from __future__ import annotations

import os
import stat

from plugrun.api import IsolationError, mountfd, mounting, runtimespec

from plugrun_isolation_ns import child
from plugrun_isolation_ns.root import Root, bind, clone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# include/uapi/linux/magic.h
_PROC_MAGIC = 0x9FA0
_SYSFS_MAGIC = 0x62656572
_MAGIC = {"proc": _PROC_MAGIC, "sysfs": _SYSFS_MAGIC}
# What podman adds to every tmpfs by itself, and runc documents in its "mount extensions".
COPY_UP = "tmpcopyup"
_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CONNECTED = ("shared", "rshared", "slave", "rslave")


def clone_connected(mounts: list[dict[str, Any]]) -> dict[int, int]:
    """Clone the bind mounts that stay connected to the host, by their place in the list.

    It must come before everything is made private: a clone is a peer of its source, and only
    from a peer can a shared mount or a slave be made (mount_namespaces(7)).
    """
    trees = {}
    for place, mount in enumerate(mounts):
        options = mount.get("options") or ()
        if runtimespec.is_bind(mount) and any(option in _CONNECTED for option in options):
            trees[place] = clone_bind(mount)
    return trees


def clone_bind(mount: dict[str, Any]) -> int:
    """Return a bind mount of the spec that is not attached yet."""
    options = mount.get("options") or ()
    deep = mount.get("type") == "rbind"
    return clone(mount.get("source", ""), mount["destination"], options, deep=deep)


def mount_all(
    root: Root,
    mounts: list[dict[str, Any]],
    trees: Mapping[int, int],
    mount_cgroups: Callable[[Root, dict[str, Any]], None],
    devpts: int,
) -> None:
    """Perform the mounts in their order, with binds that are in ``trees`` as they are there.

    ``devpts`` is a mount that is there already, or -1.
    """
    for place, mount in enumerate(mounts):
        try:
            if runtimespec.is_bind(mount):
                _mount_bind(root, mount, trees.get(place, -1))
            elif mount.get("type") in ("cgroup", "cgroup2"):
                mount_cgroups(root, mount)
            elif mount.get("type") == "devpts" and devpts >= 0:
                _attach_devpts(root, mount, devpts)
            else:
                mount_filesystem(root, mount)
        except OSError as error:
            raise IsolationError(f"mount {mount['destination']}: {child.describe(error)}") from None


def _mount_bind(root: Root, mount: dict[str, Any], tree: int) -> None:
    if tree < 0:
        tree = clone_bind(mount)
        runtimespec.map_bind(tree, mount)
    is_folder = stat.S_ISDIR(os.fstat(tree).st_mode)
    target = root.target(mount["destination"], is_folder=is_folder)
    _check_kinds(mount, target, is_folder=is_folder)
    _check_proc(root, target, tree, mount["destination"])
    options = [
        option for option in mount.get("options") or () if option not in runtimespec.ID_OPTIONS
    ]
    bind(tree, target, mount["destination"], options)
    os.close(target)


def _attach_devpts(root: Root, mount: dict[str, Any], devpts: int) -> None:
    """Attach the file system that the terminal is in, with the spec's flags and options."""
    destination = mount["destination"]
    flags, _, _, data = mounting.parse_options(tuple(mount.get("options") or ()))
    target = root.target(destination, is_folder=True)
    mountfd.set_attributes(devpts, flags)
    mountfd.attach(devpts, target, destination)
    os.close(target)
    options = ",".join(o for o in data.split(",") if o and o != "newinstance")
    if options:
        place = root.open(destination)
        mounting.mount("", f"/proc/self/fd/{place}", "", flags | mounting.MS_REMOUNT, options)
        os.close(place)
    os.close(devpts)


def _check_proc(root: Root, target: int, tree: int, destination: str) -> None:
    """Keep /proc the kernel's own (CVE-2019-16884): it may be bound whole, and a few files of it.

    The files are those that lxcfs(1) offers; no security depends on what they say.
    """
    place = root.name_of(target)
    if place == "/proc":
        if mountfd.filesystem_type(tree) != _PROC_MAGIC:
            raise IsolationError(
                f'"{destination}" cannot be mounted because it is not of type proc',
                hint="mount it elsewhere",
            )
    elif place.startswith("/proc/") and place[6:] not in runtimespec.PROC_FILES:
        raise IsolationError(
            f'"{destination}" cannot be mounted because it is inside /proc',
            hint="mount it elsewhere",
        )


def mount_filesystem(root: Root, mount: dict[str, Any]) -> None:
    """Mount a file system of its own: proc, tmpfs, devpts, mqueue, sysfs and the like."""
    destination, kind = mount["destination"], mount.get("type") or ""
    options = tuple(mount.get("options") or ())
    if kind == "tmpfs" and COPY_UP in options:
        _mount_filled(root, mount)
        return
    options = tuple(option for option in options if option != f"no{COPY_UP}")
    flags, _, propagation, data = mounting.parse_options(options)
    if kind == "tmpfs" and "mode=" not in data:
        data = _with_mode(root, destination, data)
    if kind in _MAGIC or destination.rstrip("/") == "/dev":
        target = root.plain_folder(destination)
    else:
        target = root.target(destination, is_folder=True)
    mounting.mount(mount.get("source") or kind, f"/proc/self/fd/{target}", kind, flags, data)
    os.close(target)
    if kind in _MAGIC or propagation:
        _after(root, destination, kind, propagation)


def _mount_filled(root: Root, mount: dict[str, Any]) -> None:
    """Mount a tmpfs that begins with what the image has in its place, as runc and crun do."""
    from plugrun.api import copy_fresh_tree

    destination = mount["destination"]
    options = [option for option in mount["options"] if option != COPY_UP]
    covered = root.target(destination, is_folder=True)
    source = os.open(f"/proc/self/fd/{covered}", _READ_FOLDER)
    os.close(covered)
    writable = [option for option in options if option != "ro"]
    mount_filesystem(root, {**mount, "options": writable})
    target = root.open(destination, _READ_FOLDER)
    try:
        copy_fresh_tree(source, target, workers=1)
        if "ro" in options:
            flags = mounting.parse_options(tuple(options))[0] | mounting.MS_REMOUNT
            mounting.mount("", f"/proc/self/fd/{target}", "", flags | mounting.MS_BIND)
    finally:
        os.close(source)
        os.close(target)


def _with_mode(root: Root, destination: str, data: str) -> str:
    """Give a tmpfs the mode of the folder it covers, as runc does; a new one is for everybody."""
    try:
        covered = root.open(destination)
    except FileNotFoundError:
        return data
    mode = f"mode={os.fstat(covered).st_mode & 0o7777:o}"
    os.close(covered)
    return f"{data},{mode}" if data else mode


def _check_kinds(mount: dict[str, Any], target: int, *, is_folder: bool) -> None:
    if os.path.isdir(f"/proc/self/fd/{target}") != is_folder:
        raise IsolationError(
            f'error mounting "{mount["source"]}" to rootfs at "{mount["destination"]}": '
            "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? "
            "Check if the specified host path exists and is the expected type"
        )


def _after(root: Root, destination: str, kind: str, propagation: int) -> None:
    mounted = root.open(destination)
    mountfd.set_attributes(mounted, propagation=propagation)
    if kind in _MAGIC and mountfd.filesystem_type(mounted) != _MAGIC[kind]:
        raise IsolationError(f"mount {destination}: something else is where {kind} should be")
    os.close(mounted)


def mask_paths(root: Root, paths: list[str], null: int) -> None:
    """Hide files behind /dev/null and folders behind an empty read-only tmpfs.

    ``null`` is a descriptor of the device, made and checked by us: never the path /dev/null of a
    root that the image shaped (CVE-2025-31133).
    """
    empty = -1
    for path in paths:
        try:
            target = root.open(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not os.path.isdir(f"/proc/self/fd/{target}"):
            _attach_clone(null, target, path)
        elif empty < 0:
            flags = mounting.MS_RDONLY
            mounting.mount(
                "tmpfs", f"/proc/self/fd/{target}", "tmpfs", flags, "size=0k,nr_inodes=2"
            )
            empty = root.open(path)
        else:
            _attach_clone(empty, target, path)
        os.close(target)


def _attach_clone(source: int, target: int, subject: str) -> None:
    tree = mountfd.clone_tree(source, "")
    mountfd.attach(tree, target, subject)
    os.close(tree)


def make_readonly(root: Root, paths: list[str]) -> None:
    """Cover paths with read-only bind mounts of themselves."""
    for path in paths:
        try:
            target = root.open(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        tree = mountfd.clone_tree(target, "", recursive=True)
        mountfd.set_attributes(tree, mounting.MS_RDONLY, deep=True)
        mountfd.attach(tree, target, path)
        os.close(tree)
        os.close(target)


def write_sysctls(root: Root, values: dict[str, str]) -> None:
    """Write kernel parameters, having made sure that it is procfs they go to (CVE-2019-16884)."""
    for name, value in values.items():
        path = "/proc/sys/" + name.replace(".", "/")
        try:
            fd = root.open(path, os.O_WRONLY)
            if mountfd.filesystem_type(fd) != _PROC_MAGIC:
                raise IsolationError(f"sysctl {name}: /proc is not procfs")
            os.write(fd, value.encode())
        except OSError as error:
            raise IsolationError(f"sysctl {name}={value}: {child.describe(error)}") from None
        os.close(fd)


def finish_root(root: Root, *, readonly: bool) -> None:
    """Set the root mount's own flags, last of all."""
    if readonly:
        mount = root.open("/")
        mountfd.set_attributes(mount, mounting.MS_RDONLY)
        os.close(mount)
