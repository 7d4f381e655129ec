"""What both versions of control groups offer to this backend."""

from __future__ import annotations

import errno
import os
import select
import time

from plugrun.api import BackendUnavailable, IsolationError, libc, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from plugrun.api import Stats

# Mount options of a v1 hierarchy that name no controller.
_OPTIONS = frozenset(
    ("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods")
)
_SIGKILL = 9
_ROUNDS = 200


@record
class Hierarchy:
    """One mounted hierarchy: v2 (``unified``), or v1 with the controllers mounted together."""

    mountpoint: str
    unified: bool
    controllers: tuple[str, ...]


def hierarchies() -> tuple[Hierarchy, ...]:
    """Return the cgroup hierarchies that are mounted: proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", "rb") as stream:
        lines = stream.read().decode("utf-8", "surrogateescape").splitlines()
    found: dict[tuple[bool, tuple[str, ...]], Hierarchy] = {}
    for line in lines:
        left, _, right = line.partition(" - cgroup")
        if not right:
            continue
        mountpoint = left.split(" ")[4].replace("\\040", " ")
        unified = right.startswith("2 ")
        options = right.split(" ")[-1].split(",")
        names = () if unified else _controllers(options)
        found.setdefault((unified, names), Hierarchy(mountpoint, unified, names))
    return tuple(found.values())


def _controllers(options: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        option
        for option in options
        if option not in _OPTIONS and not option.startswith("release_agent=")
    )


class Cgroup:
    """The control group of one container: made, joined, limited, killed, removed.

    ``paths`` are the folders it consists of, ``found`` those of them that were there before with
    nothing in them: they are used, and stay when the container goes.
    """

    version = ""
    # Whether the group must be there before the container's process is cloned.
    before_clone = False

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = tuple(paths)
        self.found: tuple[str, ...] = ()
        self._made: list[str] = []

    def facts(self) -> dict[str, Any]:
        """Return what the task's state must remember."""
        return {
            "version": self.version,
            "paths": list(self.paths),
            "found": list(self.found),
            "oom_counter": self.oom_counter,
            "freezer": self.freezer,
        }

    @property
    def oom_counter(self) -> str:
        """Return the file with the line ``oom_kill N``, or nothing."""
        return ""

    @property
    def freezer(self) -> str:
        """Return the file that says THAWED or 0 unless the group is frozen, or nothing."""
        return ""

    def look(self) -> None:
        """Note which folders are there already; IsolationError if they are another's."""
        for path in self.paths:
            if os.path.isdir(path):
                raise in_use(path)

    def create(self, resources: dict[str, Any]) -> None:
        """Make the group and set its limits; BackendUnavailable names one that cannot be set."""
        raise NotImplementedError

    def update(self, resources: dict[str, Any]) -> None:
        """Change limits: all that are named, or none."""
        raise NotImplementedError

    def descriptor(self, beside: int = 0) -> int:
        """Open the group for CLONE_INTO_CGROUP, or return -1 where processes join themselves.

        With ``beside``, a process of the container, it is a group that takes one more.
        """
        return -1

    def join(self) -> None:
        """Move this process, which must have one thread, into the group."""
        raise NotImplementedError

    def undo(self) -> None:
        """Remove what ``create`` of this object made."""
        if self._made:
            self._remove(self._made)

    def destroy(self) -> None:
        """Kill what is left in the group and remove it; what is gone is no error."""
        self._remove(self.paths)

    def _remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            if path in self.found:
                self.kill()
                _remove_tree(path, keep=True)
            elif not _rmdir(path):
                self.kill()
                _remove_tree(path)

    def kill(self) -> None:
        """Kill every process of the group and wait until they have ended."""
        for _ in range(_ROUNDS):
            pids = self.processes()
            if not pids:
                return
            # All are signalled before any is waited for, the oldest first: a shell whose child
            # was killed must not get to end by itself. Frozen ones end when they are woken.
            killed = [_kill(pid) for pid in sorted(pids)]
            self.thaw()
            for fd in killed:
                _wait(fd)
        raise IsolationError(f"processes in cgroup {self.paths[0]} cannot be killed")

    def freeze(self) -> None:
        """Stop every process where it is; return when they have, or wake all and raise."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Wake a frozen group; one that is not frozen, or gone, is left as it is."""
        raise NotImplementedError

    def stats(self) -> Stats:
        """Return what the group uses."""
        raise NotImplementedError

    def processes(self) -> frozenset[int]:
        """Return the processes in the group and the groups beneath it."""
        found: set[int] = set()
        for path in self.paths:
            for folder, _, _ in os.walk(path):
                found.update(read_pids(folder))
        return frozenset(found - {0})


def read_pids(folder: str) -> list[int]:
    """Return the processes of one folder; none if it is gone."""
    try:
        with open(os.path.join(folder, "cgroup.procs"), "rb") as stream:
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        return []


def open_process(pid: int) -> int:
    """Return a pidfd, or -1 if the process is no more.

    A number that only a session or process group still bears is EINVAL or, since Linux 6.16,
    ENOENT: its process has been reaped (pidfd_open(2)).
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return -1
        raise


def _kill(pid: int) -> int:
    """Kill a process; return a descriptor to wait for its end by, or -1 if it has gone."""
    fd = open_process(pid)
    if fd < 0:
        return -1
    try:
        libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, fd, _SIGKILL, None, 0)
    except ProcessLookupError:
        os.close(fd)
        return -1
    return fd


def _wait(fd: int) -> None:
    """Wait for the end of a process that was killed, and close its descriptor."""
    if fd < 0:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(5000)
    finally:
        os.close(fd)


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True


def _remove_tree(path: str, *, keep: bool = False) -> None:
    """Remove a group, or keep it, and those that the container made beneath it.

    A group may be busy for a moment after its last process has ended: the kernel takes the
    process out after it has told the waiters, and v1 has no file that tells when.
    """
    folders = [folder for folder, _, _ in os.walk(path, topdown=False)]
    for folder in folders[: len(folders) - keep]:
        for attempt in range(_ROUNDS):
            if _rmdir(folder):
                break
            time.sleep(0.0005 * min(attempt + 1, 20))
        else:
            raise IsolationError(f"cgroup {folder} stays busy and cannot be removed")


def in_use(path: str) -> IsolationError:
    """Return the refusal of a group that is there already."""
    return IsolationError(
        f"cgroup {path} exists already",
        hint="another container or service owns it; give this one another cgroupsPath",
    )


def make(path: str, made: list[str], prepare: Callable[[str], None] | None = None) -> None:
    """Make a folder of a hierarchy with its parents; only the last one is the container's own."""
    try:
        os.mkdir(path, 0o755)
    except FileNotFoundError:
        _make_parents(os.path.dirname(path), prepare)
        os.mkdir(path, 0o755)
    except FileExistsError:
        raise IsolationError(f"cgroup {path} exists already") from None
    except OSError as error:
        raise BackendUnavailable(
            f"cgroup {path} cannot be made: {(error.strerror or '').lower()}",
            hint="mount the cgroup hierarchies read-write, or give plugrun a delegated cgroup",
        ) from None
    made.append(path)
    if prepare:
        prepare(path)


def _make_parents(path: str, prepare: Callable[[str], None] | None) -> None:
    if os.path.isdir(path):
        return
    _make_parents(os.path.dirname(path), prepare)
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return
    if prepare:
        prepare(path)
