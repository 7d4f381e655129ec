"""What both versions of control groups offer to this backend."""

from __future__ import annotations

import os

from plugrun.api import BackendUnavailable, IsolationError, cgroupfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from plugrun.api import Stats


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

    def doors(self, beside: int = 0) -> tuple[str, ...]:
        """Return the files that a process joins the group by: it writes 0 into each.

        With ``beside``, a process of the container, they are of a group that takes one more.
        What counts is who opened them (kernel/cgroup/cgroup.c since Linux 5.16): opened with the
        host's rights, they serve a process that has none of them any more.
        """
        raise NotImplementedError

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
        cgroupfs.remove(paths, self.kill, self.found)

    def kill(self) -> None:
        """Kill every process of the group and wait until they have ended."""
        cgroupfs.kill(self.paths, self.thaw)

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
        return cgroupfs.processes(self.paths)


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
