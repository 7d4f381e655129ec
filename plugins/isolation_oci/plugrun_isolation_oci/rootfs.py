"""A container's root, mounted where only the runtime's call can see it.

The call has a mount namespace of its own. The container's namespace begins as a copy of it, and
when the call has ended the copy is all that is left: no mount can be forgotten, whoever is killed.
"""

from __future__ import annotations

import os
import stat

from plugrun.api import IsolationError, attach, beneath, mounting, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from plugrun.api import Connection, Mount, PlugrunError, idmap

    from plugrun_isolation_oci.stage import Stage

    T = TypeVar("T")

_PLACE = os.O_PATH | os.O_CLOEXEC
_KERNELS = ("dev", "proc", "sys")
_READ = ("etc/passwd", "etc/group")


class Served:
    """The programs that serve mounts of a root; to be used with ``with``."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self.fds: dict[int, int] = {}
        self._connections: list[Connection] = []
        try:
            for place, mount in enumerate(mounts):
                if mount.helper:
                    self._connect(place, mount)
        except BaseException:
            self.__exit__()
            raise

    def _connect(self, place: int, mount: Mount) -> None:
        from plugrun.api import connect

        connection = connect(mount)
        self._connections.append(connection)
        self.fds[place] = connection.fd

    def fault(self) -> PlugrunError | None:
        """Return what is wrong if one of them has ended."""
        faults = (connection.fault() for connection in self._connections)
        return next((fault for fault in faults if fault is not None), None)

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()


def mount_alone(
    root: str, mounts: Sequence[Mount], served: Mapping[int, int], stage: Stage | None = None
) -> None:
    """Perform mounts onto ``root`` in a mount namespace of this process's own.

    What the host mounts later on still arrives in it, and so in volumes that are slaves. With a
    ``stage`` that is laid out, too.
    """
    clones = stage.clone_shared() if stage is not None else {}
    process.unshare(process.CLONE_NEWNS)
    mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_SLAVE)
    owner = stage.owner() if stage is not None else None
    for place, mount in enumerate(mounts):
        target = _as(owner, _target, root, mount)
        try:
            attach.mount_onto(mount, target, mount.target or root, served.get(place, -1))
        finally:
            os.close(target)
    _as(owner, _make_plain, root)
    _refuse_specials(root)
    if stage is not None:
        stage.lay_out(root, clones)


def _as(owner: idmap.ActingAs | None, act: Callable[..., T], *args: Any) -> T:
    """Call ``act`` as whoever may make files in a root that shows other owners."""
    if owner is None:
        return act(*args)
    with owner:
        return act(*args)


def _refuse_specials(root: str) -> None:
    """Refuse an image whose accounts are no files: a runtime reads them, and a FIFO never ends."""
    top = os.open(root, _PLACE | os.O_DIRECTORY)
    try:
        for name in _READ:
            try:
                found = beneath.open_in_root(top, name, _PLACE)
            except OSError:
                continue  # missing, or a link that leads nowhere: nothing that can be read
            mode = os.fstat(found).st_mode
            os.close(found)
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise IsolationError(
                    f"/{name} in the image is no file, and an OCI runtime would wait for it",
                    hint="an image that does this may mean harm; isolation ns runs it",
                )
    finally:
        os.close(top)


def _make_plain(root: str) -> None:
    """Make room for the kernel's folders where an image has something else, as Docker does.

    A runtime may follow a link that it finds there, out of the root (runc 1.1.5 makes the nodes of
    /dev wherever that leads to).
    """
    top = os.open(root, _PLACE | os.O_DIRECTORY)
    try:
        for name in _KERNELS:
            try:
                if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
                    os.unlink(name, dir_fd=top)
                    os.mkdir(name, 0o755, dir_fd=top)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise IsolationError(
                    f"/{name} in the image is no folder and cannot be replaced: "
                    f"{(error.strerror or '').lower()}"
                ) from None
    finally:
        os.close(top)


def _target(root: str, mount: Mount) -> int:
    top = os.open(root, _PLACE | os.O_DIRECTORY)
    if not mount.target:
        return top
    try:
        folder = not attach.is_bind(mount) or os.path.isdir(mount.source)
        try:
            return beneath.open_in_root(top, mount.target, _PLACE)
        except FileNotFoundError:
            beneath.make_beneath(top, mount.target, folder=folder)
            return beneath.open_in_root(top, mount.target, _PLACE)
    finally:
        os.close(top)
