"""User namespaces, and mounts seen through them: user_namespaces(7), mount_setattr(2).

An idmapped mount shows a tree's owners as the namespace maps them, and writes them back the same
way (Documentation/filesystems/idmappings.rst): on disk nothing is changed, and every container can
have a mapping of its own over the same files. Linux 5.12; overlayfs takes idmapped layers since
5.19, and FUSE allows it since 6.12.
"""

from __future__ import annotations

import ctypes
import errno
import os

from plugrun.errors import BackendUnavailable, IsolationError
from plugrun.linux import libc, mountfd, process
from plugrun.model.idmap import IdMap, ranges_of_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.idmap import IdRange

# A page of text at most, and not more than UID_GID_MAP_MAX_EXTENTS lines.
MOST_RANGES = 340

_CAPABILITY_VERSION_3 = 0x20080522
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class MountIds:
    """A user namespace to see mounts through; ``uid`` and ``gid`` are its root's out here.

    ``namespace`` is a descriptor, closed by ``close``. To be used with ``with``.
    """

    def __init__(self, ids: IdMap, namespace: int = -1) -> None:
        """Take ``namespace``, whose mapping is ``ids``, or make one."""
        self.namespace = make_user_namespace(ids) if namespace < 0 else os.dup(namespace)
        self.ids = ids
        self.uid, self.gid = ids.owner_outside(0, 0)

    def __enter__(self) -> MountIds:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the namespace; mounts seen through it keep it."""
        os.close(self.namespace)

    def map(self, tree: int, subject: str) -> None:
        """Let a detached mount be seen through the namespace.

        Raise BackendUnavailable if its file system cannot be seen so, or the kernel does not know
        of it.
        """
        try:
            mountfd.map_ids(tree, self.namespace)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            raise BackendUnavailable(
                f"{subject}: its file system cannot be mounted with other owners: "
                f"{(error.strerror or '').lower()}",
                hint="keep --root on ext4, xfs or btrfs of Linux 5.19 or later (6.12 for the "
                "storage fuse), or run it with --userns=host",
            ) from None


def can_map(path: str, ids: IdMap) -> bool:
    """Whether what lies at a path can be mounted with other owners."""
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, path)
    try:
        with MountIds(ids) as through:
            through.map(tree, path)
    except BackendUnavailable:
        return False
    finally:
        os.close(tree)
    return True


class ActingAs:
    """Files are made as another user, with all rights, for the length of a ``with``.

    For this thread alone. setfsuid(2) takes capabilities away, which are given back.
    """

    def __init__(self, uid: int, gid: int) -> None:
        self._uid, self._gid = uid, gid

    def __enter__(self) -> None:
        self._had = _capabilities()
        self._set(self._uid, self._gid)

    def __exit__(self, *_: object) -> None:
        self._set(0, 0)

    def _set(self, uid: int, gid: int) -> None:
        libc.LIBC.setfsgid(gid)
        libc.LIBC.setfsuid(uid)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        libc.check(libc.LIBC.capset(header, self._had), "capset")


def _capabilities() -> ctypes.Array[ctypes.c_uint32]:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc.check(libc.LIBC.capget(header, sets), "capget")
    return sets


def make_user_namespace(ids: IdMap) -> int:
    """Return a descriptor of a new user namespace with this mapping.

    A child makes it, and this process, which needs CAP_SETUID and CAP_SETGID, writes the maps
    (user_namespaces(7)). Raise IsolationError where there are no user namespaces, or not so many.
    """
    if max(len(ids.uids), len(ids.gids)) > MOST_RANGES:
        raise IsolationError(f"a user namespace takes at most {MOST_RANGES} ranges of IDs")
    made, tell_made = os.pipe()
    done, tell_done = os.pipe()
    child = os.fork()
    if child == 0:
        _be_in_new_namespace(tell_made, tell_done, done)
    os.close(tell_made)
    os.close(done)
    try:
        answer = os.read(made, 4)
        number = int.from_bytes(answer, "little") if answer else errno.EIO
        if number:
            raise _no_namespace(number)
        _write_map(child, "uid_map", ids.uids)
        _write_map(child, "gid_map", ids.gids)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(made)
        os.close(tell_done)
        _reap(child)


def _be_in_new_namespace(tell: int, other: int, wait: int) -> None:
    """The child: make the namespace, say so, and keep it until the parent has it."""
    try:
        os.close(other)
        number = 0
        try:
            process.unshare(process.CLONE_NEWUSER)
        except OSError as error:
            number = error.errno or errno.EIO
        os.write(tell, number.to_bytes(4, "little"))
        os.read(wait, 1)
    finally:
        os._exit(0)


def _reap(child: int) -> None:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return  # the caller's own handler of SIGCHLD was quicker


def _no_namespace(number: int) -> IsolationError:
    hints = {
        errno.ENOSPC: "raise /proc/sys/user/max_user_namespaces",
        errno.EINVAL: "this kernel has no user namespaces (CONFIG_USER_NS)",
        errno.EPERM: "this process may make none: a sandbox around it, or "
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns, forbids it",
    }
    return IsolationError(
        f"cannot make a user namespace: {os.strerror(number).lower()}", hint=hints.get(number, "")
    )


def _write_map(pid: int, name: str, ranges: tuple[IdRange, ...]) -> None:
    text = "".join(f"{r.inside} {r.outside} {r.count}\n" for r in ranges)
    fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())  # all of it at once, and once only
    except OSError as error:
        raise IsolationError(
            f"the mapping of IDs is refused: {name}: {(error.strerror or '').lower()}",
            hint="its ranges overlap, or go beyond what this namespace has itself",
        ) from None
    finally:
        os.close(fd)


def ids_of_process(pid: int) -> IdMap:
    """Return the mapping of the user namespace that a process is in, as seen from here."""
    found = []
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", encoding="ascii") as file:
            found.append(ranges_of_lines(file.read()))
    return IdMap(*found)


def ids_of_namespace(namespace: int) -> IdMap:
    """Return the mapping of a user namespace, which only a process inside has to show.

    Raise IsolationError if it cannot be joined.
    """
    ready, tell_ready = os.pipe()
    done, tell_done = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(tell_done)
            process.setns(namespace, process.CLONE_NEWUSER)
            os.write(tell_ready, b"\n")
            os.read(done, 1)
        finally:
            os._exit(0)
    os.close(tell_ready)
    os.close(done)
    try:
        if not os.read(ready, 1):
            raise IsolationError("the user namespace cannot be joined: operation not permitted")
        return ids_of_process(pid)
    finally:
        os.close(ready)
        os.close(tell_done)
        _reap(pid)


def become_root_inside() -> None:
    """Be root of the user namespace that this process has just entered, in no other groups."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
