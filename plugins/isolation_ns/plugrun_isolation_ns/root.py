"""The container's root file system: mounted, looked into, made the root.

Everything in it is the image's and hostile: /proc, /dev or a mount point may be a symbolic link
to anywhere, and with shared volumes it may change while we look (CVE-2019-19921, CVE-2021-30465,
CVE-2025-31133, CVE-2025-52565). Paths are therefore resolved once, by openat2 beneath the root's
descriptor, and what was found is used through its descriptor.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.api import IsolationError, attach, beneath, mountfd, mounting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plugrun.api import Mount, MountIds

_FOLDER = os.O_PATH | os.O_DIRECTORY
# As many symbolic links as the kernel follows: path_resolution(7).
_MOST_LINKS = 40


class Root:
    """The mounted root, by descriptor."""

    def __init__(self, path: str | int) -> None:
        self.fd = os.open(path, _FOLDER | os.O_CLOEXEC) if isinstance(path, str) else path

    def open(self, path: str, flags: int = os.O_PATH) -> int:
        """Open a path as the container sees it."""
        return beneath.open_in_root(self.fd, path, flags)

    def open_plain(self, path: str) -> int:
        """Open a folder with no symbolic link anywhere on its path."""
        resolve = beneath.RESOLVE_IN_ROOT | beneath.RESOLVE_NO_SYMLINKS
        try:
            return beneath.openat2(self.fd, path, _FOLDER, resolve=resolve)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise IsolationError(
                    f"{path} in the image is a symbolic link or no folder, and must be a folder",
                    hint="an image that does this may be trying to break out",
                ) from None
            raise

    def plain_folder(self, path: str) -> int:
        """Open a folder of the kernel's, made if it is missing, with no link on its path.

        What else an image has in its place, directly beneath the root, is replaced, as Docker does
        for /proc, /sys and /dev.
        """
        name = path.strip("/")
        if "/" not in name and name:
            self._replace(name)
        try:
            return self.open_plain(path)
        except FileNotFoundError:
            return self.target(path, is_folder=True)

    def _replace(self, name: str) -> None:
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode):
                return
            os.unlink(name, dir_fd=self.fd)
            os.mkdir(name, 0o755, dir_fd=self.fd)
        except FileNotFoundError:
            return
        except OSError as error:
            raise IsolationError(
                f"/{name} in the image is no folder and cannot be replaced: "
                f"{(error.strerror or '').lower()}",
                hint="an image that does this may be trying to break out",
            ) from None

    def folder(self, path: str, links: int = 0) -> int:
        """Open a folder, made with its parents if it is missing."""
        try:
            return self.open(path, _FOLDER)
        except FileNotFoundError:
            return self._make(path, links, is_folder=True)

    def target(self, path: str, *, is_folder: bool) -> int:
        """Open what a mount goes onto, made if it is missing."""
        if not path.strip("/."):
            raise IsolationError(f"cannot mount onto {path or 'nothing'} in a container")
        try:
            return self.open(path)
        except FileNotFoundError:
            return self._make(path, 0, is_folder=is_folder)

    def _make(self, path: str, links: int, *, is_folder: bool) -> int:
        head, tail = os.path.split(path.rstrip("/"))
        if tail in ("", ".", "..") or links > _MOST_LINKS:
            raise IsolationError(f"{path} cannot be made in the container")
        parent = self.folder(head or "/", links)
        try:
            # One component by descriptor follows nothing: EEXIST is a link that leads nowhere yet.
            if is_folder:
                os.mkdir(tail, 0o755, dir_fd=parent)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(tail, flags, 0o644, dir_fd=parent))
            return os.open(tail, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        except FileExistsError:
            # Many an image has a resolv.conf like that: what it leads to is made, within the root.
            behind = os.path.join(head, os.readlink(tail, dir_fd=parent))
            return self._make(behind, links + 1, is_folder=is_folder)
        finally:
            os.close(parent)

    def name_of(self, fd: int) -> str:
        """Return the path within this root that the kernel has for a descriptor."""
        own, path = (os.readlink(f"/proc/self/fd/{one}") for one in (self.fd, fd))
        return path[len(own) :] if path.startswith(f"{own}/") else path

    def enter(self) -> None:
        """Make this the root and let go of the old one, by pivot_root(2)'s "." on "." way."""
        os.fchdir(self.fd)
        mounting.pivot_root(".", ".")
        mounting.umount(".", mounting.MNT_DETACH)
        os.chdir("/")


def mount_root(
    path: str, mounts: Sequence[Mount], served: Mapping[int, int], ids: MountIds | None = None
) -> Root:
    """Perform the storage's mounts onto ``path`` and return the root they make.

    ``served`` are descriptors of those that a program serves, by their place in the list. ``ids``
    is what those with ``Mount.ids`` are seen through.
    """
    if not any(mount.target == "" for mount in mounts):
        # pivot_root wants a mount point.
        mounting.mount(path, path, "", mounting.MS_BIND | mounting.MS_REC)
    for place, mount in enumerate(mounts):
        tree = served.get(place, -1)
        if mount.target:
            _mount_beneath(Root(path), mount, tree, ids)
        else:
            _attach(mount, os.open(path, _FOLDER | os.O_CLOEXEC), path, tree, ids)
    for tree in served.values():
        os.close(tree)
    return Root(path)


def _mount_beneath(root: Root, mount: Mount, tree: int, ids: MountIds | None) -> None:
    is_folder = not attach.is_bind(mount) or os.path.isdir(mount.source)
    _attach(mount, root.target(mount.target, is_folder=is_folder), mount.target, tree, ids)


def _attach(mount: Mount, target: int, subject: str, tree: int, ids: MountIds | None) -> None:
    attach.mount_onto(mount, target, subject, tree, ids)
    os.close(target)


def bind(
    source: str | int, target: int, subject: str, options: Sequence[str], *, deep: bool = False
) -> None:
    """Bind a path of the host, or a mount already cloned, onto a descriptor."""
    plain = tuple(option for option in options if option != "rro")
    # Options of a file system's own say nothing to one that is mounted already: mount(2) has no
    # regard for its data where MS_BIND is set.
    set_flags, clear_flags, propagation, _ = mounting.parse_options(plain)
    tree = source if isinstance(source, int) else clone(source, subject, options, deep=deep)
    kept = ~(mounting.MS_BIND | mounting.MS_REC)
    mountfd.set_attributes(tree, set_flags & kept, clear_flags)
    if len(plain) < len(options):
        # The runtime spec's word for read-only with all that is mounted below.
        mountfd.set_attributes(tree, mounting.MS_RDONLY, deep=True)
    mountfd.set_attributes(tree, propagation=propagation)
    mountfd.attach(tree, target, subject)
    os.close(tree)


def clone(source: str, subject: str, options: Sequence[str], *, deep: bool = False) -> int:
    """Return a bind mount of a path of the host that is not attached yet."""
    try:
        return mountfd.clone_tree(mountfd.AT_FDCWD, source, recursive=deep or "rbind" in options)
    except FileNotFoundError:
        raise IsolationError(
            f"mount {subject}: bind source path does not exist: {source}"
        ) from None
