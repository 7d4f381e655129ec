"""What a container's own root user, or the host, must reach, laid out where a runtime finds it.

A runtime enters the container's user namespace before it looks for the root, the sources of bind
mounts and the devices; whom root is mapped to has no way into closed folders. And it works in a
mount namespace that the host has no part in. So the call's own mount namespace (``rootfs``) gets a
small tmpfs that everybody may pass through, in a place that the kernel keeps empty for mounts:

=========  ====================================================================================
root       the storage's mounts, seen through ``Mount.ids``
bind-N     the source of the spec's mount N, with its mapping of owners, or still a peer of the
           host's mount (``shared``)
device-N   a device made here, since no user namespace lets one be made
=========  ====================================================================================

The spec's default devices, which a runtime binds from its own /dev there, are covered by ones with
the owners that they are to have. All of it goes with the call, whoever is killed.
"""

from __future__ import annotations

import os
import stat

from plugrun.api import (
    BackendUnavailable,
    IdMap,
    IsolationError,
    MountIds,
    idmap,
    mountfd,
    mounting,
    process,
    ranges_in_spec,
    ranges_of_spec,
    runtimespec,
)

from plugrun_isolation_oci.config import SHARED, is_shared
from plugrun_isolation_oci.program import reap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from plugrun.api import Stdio

# Folders of sysfs that are empty for good (sysfs_create_mount_point in the kernel): what they are
# covered by keeps nobody from mounting a sysfs of his own (mount_namespaces(7)).
_PLACES = ("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/bpf", "/sys/kernel/security")
_PLACE = os.O_PATH | os.O_CLOEXEC
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC


def stand_in(path: str) -> None:
    """Have a folder where a staged root was, in a mount namespace of this process's own.

    runc's exec goes there from outside, before it joins the container's namespaces.
    """
    process.unshare(process.CLONE_NEWNS)
    mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_SLAVE)
    mounting.mount("tmpfs", os.path.dirname(path), "tmpfs", mounting.MS_NOSUID, "mode=711")
    os.mkdir(path)


class Stage:
    """What one container needs of it."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Find out; IsolationError or BackendUnavailable for what cannot be."""
        linux = spec.get("linux") or {}
        self._place = _place()
        self._ids, self._path = _user_namespace(linux)
        self._mounts: list[dict[str, Any]] = list(spec.get("mounts") or ())
        shared = [number for number, one in enumerate(self._mounts) if is_shared(one)]
        if shared and self._ids is not None:
            raise BackendUnavailable(
                f"mount {self._mounts[shared[0]]['destination']}: what is mounted in a user "
                "namespace cannot reach the host with an OCI runtime",
                hint="use the propagation rslave or rprivate, --userns=host, or isolation ns",
            )
        self._shared = shared
        self._open = linux.get("rootfsPropagation") in SHARED
        self._binds = shared
        self._devices: list[dict[str, Any]] = []
        if self._ids is not None:
            self._binds = [
                number for number, one in enumerate(self._mounts) if runtimespec.is_bind(one)
            ]
            self._devices = runtimespec.all_devices(linux.get("devices") or [])

    def rewrite(self, config: dict[str, Any], *, with_ids: Callable[[], bool]) -> None:
        """Let a runtime's config name what is laid out.

        ``with_ids`` tells whether the runtime wants the mapping of a namespace that is joined.
        """
        mounts = list(config.get("mounts") or ())
        for number in self._binds:
            mounts[number] = _plain({**mounts[number], "source": self._bind(number)})
        linux = config["linux"]
        if self._ids is not None:
            config["root"] = {**config["root"], "path": f"{self._place}/root"}
            linux["devices"] = []
            if self._path and with_ids():
                linux["uidMappings"] = ranges_in_spec(self._ids.uids)
                linux["gidMappings"] = ranges_in_spec(self._ids.gids)
            mounts += [
                _bind_mount(device["path"], self._device(number))
                for number, device in enumerate(self._devices)
                if not _is_default(device)
            ]
        if self._shared and not self._open:
            # A runtime cuts every mount off from the host unless the root is to be shared, too.
            linux["rootfsPropagation"] = "shared"
        config["mounts"] = mounts

    def give(self, stdio: Stdio, user: Mapping[str, Any]) -> None:
        """Let a user of the container's own namespace open /proc/self/fd/1 and the like."""
        if self._ids is not None:
            give_stdio(self._ids, stdio, user)

    def finish(self, pid: int) -> None:
        """Share the root of a container that has been made, if that was asked for.

        runc cuts it off, being a mount of its own, with all that it takes for the host's.
        """
        if self._open:
            _call_in_mounts_of(pid, lambda: mounting.mount("", "/", "", mounting.MS_SHARED))

    def clone_shared(self) -> dict[int, int]:
        """Clone what is to stay a peer of the host's, before the namespace is left for another."""
        return {number: _clone(self._mounts[number]) for number in self._shared}

    def owner(self) -> idmap.ActingAs | None:
        """Return who makes files in the mounted root; None if that is root."""
        return idmap.ActingAs(*self._ids.owner_outside(0, 0)) if self._ids is not None else None

    def lay_out(self, root: str, clones: Mapping[int, int]) -> None:
        """Make it, in a mount namespace of this process's own, with what is mounted at ``root``."""
        trees = dict(clones)
        trees.update((n, _clone(self._mounts[n])) for n in self._binds if n not in trees)
        if self._ids is not None:
            with MountIds(self._ids, self._namespace()) as own:
                for number in self._binds:
                    runtimespec.map_bind(trees[number], self._mounts[number], own)
        mounting.mount("tmpfs", self._place, "tmpfs", mounting.MS_NOSUID, "mode=711")
        if self._ids is not None:
            os.mkdir(f"{self._place}/root")
            tree = mountfd.clone_tree(mountfd.AT_FDCWD, root, recursive=True)
            _attach(tree, f"{self._place}/root")
        for number, tree in trees.items():
            _make_target(self._bind(number), folder=stat.S_ISDIR(os.fstat(tree).st_mode))
            _attach(tree, self._bind(number))
        self._make_devices()

    def _namespace(self) -> int:
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC) if self._path else -1

    def _bind(self, number: int) -> str:
        return f"{self._place}/bind-{number}"

    def _device(self, number: int) -> str:
        return f"{self._place}/device-{number}"

    def _make_devices(self) -> None:
        mask = os.umask(0)
        try:
            for number, device in enumerate(self._devices):
                self._make_device(self._device(number), device)
        finally:
            os.umask(mask)

    def _make_device(self, path: str, device: dict[str, Any]) -> None:
        assert self._ids is not None
        try:
            os.mknod(path, runtimespec.device_mode(device), runtimespec.device_number(device))
        except PermissionError:
            # The host's own, then, with the owner that it has there.
            _make_target(path, folder=False)
            _attach(_hosts_own(device), path)
        else:
            os.chown(path, *self._ids.owner_outside(device.get("uid", 0), device.get("gid", 0)))
        if _is_default(device):
            _attach(mountfd.clone_tree(mountfd.AT_FDCWD, path), device["path"])


def _is_default(device: Mapping[str, Any]) -> bool:
    """Whether a runtime makes a device of this path by itself."""
    return any(device["path"] == path for path, _, _ in runtimespec.DEFAULT_DEVICES)


def _hosts_own(device: Mapping[str, Any]) -> int:
    """Clone the host's device of the same path; IsolationError if it is another one."""
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, device["path"])
    found = os.fstat(tree)
    wanted = stat.S_IFMT(runtimespec.device_mode(device)), runtimespec.device_number(device)
    if (stat.S_IFMT(found.st_mode), found.st_rdev) != wanted:
        os.close(tree)
        raise IsolationError(
            f"device {device['path']} cannot be made without CAP_MKNOD: the host has another there"
        )
    return tree


def give_stdio(ids: IdMap, stdio: Stdio, user: Mapping[str, Any]) -> None:
    """Let a user of a user namespace open /proc/self/fd/1 and the like, as it can without one.

    Only pipes change hands: a file is its owner's business, and a terminal the runtime's.
    """
    uid = ids.owner_outside(user.get("uid", 0), 0)[0]
    if uid < 0:
        raise IsolationError(
            f"user {user.get('uid', 0)} has no place in the container's user namespace"
        )
    for fd in (stdio.stdin, stdio.stdout, stdio.stderr):
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, uid, -1)


def _call_in_mounts_of(pid: int, act: Callable[[], None]) -> None:
    """Call ``act`` in a process that is in another's mount namespace and in nothing else of it."""
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            process.setns(namespace, process.CLONE_NEWNS)
            act()
            os.write(writer, b"\n")
        finally:
            os._exit(0)
    os.close(namespace)
    os.close(writer)
    done = os.read(reader, 1)
    os.close(reader)
    reap(child)
    if not done:
        raise IsolationError("the container's root cannot be shared")


def _place() -> str:
    for path in _PLACES:
        if os.path.isdir(path):
            return path
    raise BackendUnavailable(
        "there is no place for mounts in /sys/kernel or /sys/fs", hint="mount sysfs at /sys"
    )


def _user_namespace(linux: Mapping[str, Any]) -> tuple[IdMap | None, str]:
    """Return the mapping of a spec's user namespace, and the path of one that is joined."""
    for one in linux.get("namespaces") or ():
        if one.get("type") != "user":
            continue
        path = one.get("path") or ""
        return (_ids_at(path) if path else _ids_of(linux)), path
    return None, ""


def _ids_of(linux: Mapping[str, Any]) -> IdMap:
    given = [linux.get("uidMappings") or (), linux.get("gidMappings") or ()]
    if not all(given):
        raise IsolationError("a user namespace needs linux.uidMappings and linux.gidMappings")
    return IdMap(*map(ranges_of_spec, given))


def _ids_at(path: str) -> IdMap:
    try:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise IsolationError(f"{path}: {(error.strerror or '').lower()}") from None
    try:
        return idmap.ids_of_namespace(namespace)
    finally:
        os.close(namespace)


def _plain(mount: dict[str, Any]) -> dict[str, Any]:
    """Return a mount without the words for owners, which its source shows already."""
    left = {key: value for key, value in mount.items() if key not in ("uidMappings", "gidMappings")}
    return {
        **left,
        "options": [o for o in mount.get("options") or () if o not in runtimespec.ID_OPTIONS],
    }


def _bind_mount(path: str, source: str) -> dict[str, Any]:
    return {"destination": path, "type": "bind", "source": source, "options": ["bind"]}


def _clone(mount: Mapping[str, Any]) -> int:
    deep = "rbind" in (mount.get("type"), *(mount.get("options") or ()))
    source = mount.get("source", "")
    try:
        return mountfd.clone_tree(mountfd.AT_FDCWD, source, recursive=deep)
    except OSError as error:
        raise IsolationError(
            f"mount {mount['destination']}: {source}: {(error.strerror or '').lower()}"
        ) from None


def _attach(tree: int, path: str) -> None:
    target = os.open(path, _PLACE)
    mountfd.attach(tree, target, path)
    os.close(target)
    os.close(tree)


def _make_target(path: str, *, folder: bool) -> None:
    if folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, _NEW_FILE, 0o644))
