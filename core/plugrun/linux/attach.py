"""Perform mounts given as data: the one way in which a snapshot is made visible."""

from __future__ import annotations

import os

from plugrun.errors import PlugrunError
from plugrun.linux import mountfd, mounting
from plugrun.linux.overlay import mount_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.linux.idmap import MountIds
    from plugrun.linux.serving import Connection
    from plugrun.model.idmap import IdMap
    from plugrun.model.mount import Mount

_PLACE = os.O_PATH | os.O_CLOEXEC


class ReadyMounts:
    """Mounts that can be performed in whatever namespaces: what must come before has been done.

    A mount with a helper is served from here on; a program that does not come up is an error
    here (BackendUnavailable, PlugrunError). To be used with ``with``: after it such a mount lives
    where it has been attached.
    """

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._mounts = mounts
        self._served: dict[int, Connection] = {}
        self._ids: dict[int, MountIds] = {}
        try:
            for place, one in enumerate(mounts):
                if one.ids is not None:
                    self._ids[place] = _seen_through(one.ids)
                if one.helper:
                    self._served[place] = _connect(one)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ReadyMounts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what was made ready."""
        for connection in self._served.values():
            connection.close()
        while self._ids:
            self._ids.popitem()[1].close()

    def perform(self, target: str) -> None:
        """Perform the mounts in order, each at its own target beneath ``target``; once.

        For trees that the caller trusts not to change meanwhile (a snapshot that nothing runs in).
        Raise OSError, CannotMount, Corrupt or NoSpace.
        """
        for number, one in enumerate(self._mounts):
            path = os.path.join(target, one.target) if one.target else target
            place = os.open(path, _PLACE)
            try:
                served = self._served.get(number)
                fd = served.fd if served else -1
                mount_onto(one, place, path, fd, self._ids.get(number))
            finally:
                os.close(place)


def _connect(one: Mount) -> Connection:
    from plugrun.linux.serving import connect

    connection = connect(one)
    connection.wait()
    return connection


def _seen_through(ids: IdMap) -> MountIds:
    from plugrun.linux.idmap import MountIds

    return MountIds(ids)


def mount_onto(
    mount: Mount, place: int, subject: str, served: int = -1, ids: MountIds | None = None
) -> None:
    """Perform a mount onto what the descriptor ``place`` is; errors call it ``subject``.

    ``served`` is the connected mount of one that has a helper, ``ids`` the namespace with its
    ``Mount.ids`` if there is one already. Where a name is looked up a second time is the kernel's
    business only. Raise as ``ReadyMounts.perform``, and BackendUnavailable if the file system
    cannot be shown with other owners.
    """
    if mount.ids is None:
        _mount_onto(mount, place, subject, served, None)
    elif ids is not None and ids.ids == mount.ids:
        _mount_onto(mount, place, subject, served, ids)
    else:
        from plugrun.linux.idmap import MountIds

        with MountIds(mount.ids) as made:
            _mount_onto(mount, place, subject, served, made)


def _mount_onto(mount: Mount, place: int, subject: str, served: int, ids: MountIds | None) -> None:
    flags, _, propagation, data = mounting.parse_options(mount.options)
    if mount.helper:
        if ids is not None:
            os.fstatvfs(served)  # the kernel knows what the program allows once it has answered
            ids.map(served, f"the {mount.source} file system")
        mountfd.attach(served, place, subject)
    elif is_bind(mount):
        _bind(mount, place, subject, ids)
    elif mount.type == "overlay" and ids is not None:
        from plugrun.linux.mappedoverlay import mount_mapped_overlay

        mount_mapped_overlay(mount.options, place, subject, ids, mount.images)
    elif mount.type == "overlay" and mount.images:
        from plugrun.linux.imageoverlay import mount_image_overlay

        mount_image_overlay(mount.options, place, subject, mount.images)
    elif mount.type == "overlay":
        mount_overlay(mount.options, place, subject)
    elif mount.images:
        _image(mount, place, subject, ids)
    elif ids is not None:
        raise PlugrunError(f"a mount of {mount.type} cannot be shown with other owners")
    else:
        path = f"/proc/self/fd/{place}"
        mounting.mount(mount.source, path, mount.type, flags, data)
        if propagation:
            mounting.mount("", os.readlink(path), "", propagation)


def _image(mount: Mount, place: int, subject: str, ids: MountIds | None) -> None:
    from plugrun.linux.images import open_image

    tree = open_image(mount.source, mount.type, mount.options)
    try:
        if ids is not None:
            ids.map(tree, mount.source)
        mountfd.attach(tree, place, subject)
    finally:
        os.close(tree)


def is_bind(mount: Mount) -> bool:
    """Whether a mount shows a folder or file that is there already."""
    return mount.type in ("bind", "rbind") or "bind" in mount.options or "rbind" in mount.options


def _bind(mount: Mount, place: int, subject: str, ids: MountIds | None) -> None:
    flags, cleared, propagation, _ = mounting.parse_options(mount.options)
    deep = mount.type == "rbind" or "rbind" in mount.options
    try:
        tree = mountfd.clone_tree(mountfd.AT_FDCWD, mount.source, recursive=deep)
    except FileNotFoundError:
        from plugrun.errors import REPAIR, Corrupt

        raise Corrupt(
            f"the storage is damaged: the layer {mount.source} is missing", hint=REPAIR
        ) from None
    try:
        if ids is not None:
            ids.map(tree, mount.source)
        kept = ~(mounting.MS_BIND | mounting.MS_REC)
        mountfd.set_attributes(tree, flags & kept, cleared)
        mountfd.set_attributes(tree, propagation=propagation)
        mountfd.attach(tree, place, subject)
    finally:
        os.close(tree)
