"""What a container sees at /sys/fs/cgroup: its own groups, read-only unless the spec says else."""

from __future__ import annotations

import os

from plugrun.api import mountfd, mounting

from plugrun_isolation_ns.root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from plugrun_isolation_ns.cgroups import Cgroup, Hierarchy


def mount_view(
    root: Root,
    mount: dict[str, Any],
    cgroup: Cgroup,
    hierarchies: Sequence[Hierarchy],
    *,
    own_namespace: bool,
) -> None:
    """Mount the container's groups where the spec wants them."""
    flags, _, _, _ = mounting.parse_options(tuple(mount.get("options") or ()))
    destination = mount["destination"]
    target = root.target(destination, is_folder=True)
    if cgroup.version == "v2":
        # Without a namespace of its own the container sees the whole tree, where its path is true.
        mounting.mount("cgroup", f"/proc/self/fd/{target}", "cgroup2", flags, "")
        os.close(target)
        return
    tmpfs = (flags & ~mounting.MS_RDONLY) | mounting.MS_NODEV
    mounting.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", tmpfs, "mode=755")
    folder = root.open(destination)
    for hierarchy in hierarchies:
        if not hierarchy.unified:
            _mount_v1(folder, hierarchy, cgroup, flags, own_namespace=own_namespace)
    if flags & mounting.MS_RDONLY:
        mountfd.set_attributes(folder, mounting.MS_RDONLY)


def _mount_v1(
    folder: int, hierarchy: Hierarchy, cgroup: Cgroup, flags: int, *, own_namespace: bool
) -> None:
    name = os.path.basename(hierarchy.mountpoint)
    own = next(path for path in cgroup.paths if path.startswith(hierarchy.mountpoint + "/"))
    os.mkdir(name, 0o755, dir_fd=folder)
    target = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    data = ",".join(hierarchy.controllers)
    _mount_one(target, own, data, flags, own_namespace=own_namespace)
    for controller in hierarchy.controllers:
        # As the FHS of cgroup v1 has it: cpu -> cpu,cpuacct
        if controller != name and not controller.startswith("name="):
            os.symlink(name, controller, dir_fd=folder)


def _mount_one(target: int, own: str, data: str, flags: int, *, own_namespace: bool) -> None:
    """In a cgroup namespace the file system itself shows the own group; else a bind mount does."""
    if own_namespace:
        mounting.mount("cgroup", f"/proc/self/fd/{target}", "cgroup", flags, data)
    else:
        tree = mountfd.clone_tree(mountfd.AT_FDCWD, own)
        mountfd.set_attributes(tree, flags)
        mountfd.attach(tree, target, "/sys/fs/cgroup")
        os.close(tree)
    os.close(target)
