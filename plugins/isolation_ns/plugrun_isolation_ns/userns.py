"""A container in a user namespace: what its process can no longer do itself, done before.

Its root user is nobody outside. Whatever takes the host's rights is therefore done by stage 1 in a
mount namespace of its own, and handed over as descriptors: the root with the storage's mounts, the
bind mounts, the device nodes (in a user namespace none can be made), the files by which cgroups
are joined, the pipes of the task's folder. Then stage 1 enters the user namespace, becomes its
root, makes the other namespaces, which so belong to it (user_namespaces(7), "Interaction of user
namespaces and other types of namespaces"), and clones the container's process.
"""

from __future__ import annotations

import os

from plugrun.api import (
    IdMap,
    IsolationError,
    MountIds,
    fscontext,
    idmap,
    mountfd,
    mounting,
    outside,
    process,
    ranges_of_spec,
    record,
    runtimespec,
)

from plugrun_isolation_ns import apparmor, child, command, devices, mounts
from plugrun_isolation_ns.root import mount_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Stdio

    from plugrun_isolation_ns.init import Job

_TTY_GROUP = 5  # of Docker's /dev/pts


@record
class Carried:
    """Descriptors for the container's process, all above those that its command keeps.

    ``trees`` are the bind mounts by their place in the spec's list, ``nodes`` the devices of /dev
    by their paths, ``terminal`` a mount of the host's terminal or -1. ``groups`` are the files by
    which a process joins its cgroups.
    """

    root: int
    trees: Mapping[int, int]
    nodes: Mapping[str, int]
    terminal: int
    groups: tuple[int, ...]
    start: int
    status: int

    def descriptors(self) -> tuple[int, ...]:
        """Return all of them."""
        single = (self.root, self.terminal, self.start, self.status)
        found = (*single, *self.trees.values(), *self.nodes.values(), *self.groups)
        return tuple(fd for fd in found if fd >= 0)


class Border:
    """Stage 1 on its way into the container's user namespace."""

    def __init__(self, job: Job, namespace: int) -> None:
        """Take the descriptor of the namespace to join, or make one if it is -1."""
        self._job = job
        self._spec = job.spec
        self._linux = job.spec["linux"]
        self._lowest = max(10, command.status_fd(job.preserved) + 1)
        if namespace < 0:
            ids = ids_of_spec(self._linux)
            namespace = idmap.make_user_namespace(ids)
        else:
            ids = idmap.ids_of_namespace(namespace)
        self._ids = ids
        self._namespace = child.above(namespace, self._lowest)

    def carry(self) -> Carried:
        """Do what takes the host's rights; the cgroups must be there."""
        job = self._job
        self._settle_process()
        groups = tuple(self._open(path, os.O_WRONLY) for path in job.cgroup.doors())
        start, status = (self._open(path, os.O_RDWR) for path in (job.start_fifo, job.status_fifo))
        listed: list[dict[str, Any]] = self._spec.get("mounts") or []
        connected = mounts.clone_connected(listed)
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        nodes = self._make_nodes()
        with MountIds(self._ids, self._namespace) as ids:
            made = mount_root(job.root_path, job.rootfs, job.served, ids)
            root = self._above(mountfd.clone_tree(made.fd, "", recursive=True))
            os.close(made.fd)
            trees = self._clone_binds(listed, connected, ids)
        terminal = self._settle_terminal(listed)
        return Carried(root, trees, nodes, terminal, groups, start, status)

    def enter(self) -> None:
        """Be the namespace's root user, in no other groups; what is made now belongs to it."""
        process.setns(self._namespace, process.CLONE_NEWUSER)
        os.close(self._namespace)
        idmap.become_root_inside()
        child.die_with_parent()

    def _open(self, path: str, flags: int) -> int:
        return self._above(os.open(path, flags | os.O_CLOEXEC))

    def _above(self, fd: int) -> int:
        return child.above(fd, self._lowest)

    def _settle_process(self) -> None:
        spec = self._spec["process"]
        give_stdio(self._ids, spec["user"]["uid"], self._job.stdio)
        command.set_oom_score(spec.get("oomScoreAdj", 0))
        command.raise_hard_rlimits(spec.get("rlimits") or [])
        apparmor.on_execution(spec.get("apparmorProfile") or "")

    def _make_nodes(self) -> dict[str, int]:
        """Make the devices in a tmpfs of the host's; each is bound into the container's /dev.

        It is mounted for that moment only, since a clone can only be made of what is mounted; the
        clones keep it.
        """
        place = self._job.root_path
        mounting.mount("tmpfs", place, "tmpfs", mounting.MS_NOSUID | mounting.MS_NOEXEC, "mode=700")
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        nodes = {}
        mask = os.umask(0)
        try:
            for number, device in enumerate(
                runtimespec.all_devices(self._linux.get("devices") or [])
            ):
                owner = self._ids.owner_outside(device.get("uid", 0), device.get("gid", 0))
                node = devices.node_to_bind(folder, str(number), device, owner)
                nodes[device["path"]] = self._above(node)
        finally:
            os.umask(mask)
            os.close(folder)
        mounting.umount(place, mounting.MNT_DETACH)
        return nodes

    def _clone_binds(
        self, listed: list[dict[str, Any]], connected: dict[int, int], ids: MountIds
    ) -> dict[int, int]:
        trees = {}
        for place, mount in enumerate(listed):
            if not runtimespec.is_bind(mount):
                continue
            tree = connected.get(place, -1)
            if tree < 0:
                tree = mounts.clone_bind(mount)
            runtimespec.map_bind(tree, mount, ids)
            trees[place] = self._above(tree)
        return trees

    def _settle_terminal(self, listed: list[dict[str, Any]]) -> int:
        """Give the container's own devpts its options; return a mount of a terminal elsewhere.

        The file system is the host's, and so is the group that its options name.
        """
        stdio = self._job.stdio
        if not stdio.terminal:
            return -1
        if stdio.devpts < 0:
            return self._above(devices.clone_terminal())
        for mount in listed:
            if mount.get("type") != "devpts":
                continue
            own = mounting.own_options(mount.get("options") or [])
            mount["options"] = [one for one in mount["options"] if one not in own]
            settings = dict(one.partition("=")[::2] for one in own if one != "newinstance")
            for name, ranges in (("uid", self._ids.uids), ("gid", self._ids.gids)):
                if settings.get(name):
                    settings[name] = str(outside(ranges, int(settings[name])))
            fscontext.reconfigure(stdio.devpts, settings)
        return -1


def give_stdio(ids: IdMap, uid: int, stdio: Stdio) -> None:
    """Let the container's user open /proc/self/fd/1 and the like: see ``child.give_stdio``."""
    owner, group = ids.owner_outside(uid, _TTY_GROUP)
    if owner < 0:
        raise IsolationError(f"user {uid} has no place in the container's user namespace")
    fds = (stdio.stdin, stdio.stdout, stdio.stderr)
    child.give_stdio(owner, group, terminal=stdio.terminal, fds=fds)


def ids_of_spec(linux: Mapping[str, Any]) -> IdMap:
    """Return the mapping that a spec asks for."""
    return IdMap(
        ranges_of_spec(linux.get("uidMappings") or ()),
        ranges_of_spec(linux.get("gidMappings") or ()),
    )
