"""User and group IDs of a user namespace, and what they are outside of it."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, ClassVar

    from plugrun.model.spec import IdMapping

# What stat(2) shows for an ID that has no place in the namespace: /proc/sys/kernel/overflowuid.
NOBODY = 65534


@record
class IdRange:
    """``count`` IDs from ``inside`` on are those from ``outside`` on: user_namespaces(7)."""

    inside: int
    outside: int
    count: int


@record
class IdMap:
    """The mapping of one user namespace, for users and for groups."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]
    NESTED: ClassVar = {"uids": IdRange, "gids": IdRange}

    @property
    def uid_rows(self) -> tuple[tuple[int, int, int], ...]:
        """The lines of uid_map."""
        return tuple((r.inside, r.outside, r.count) for r in self.uids)

    @property
    def gid_rows(self) -> tuple[tuple[int, int, int], ...]:
        """The lines of gid_map."""
        return tuple((r.inside, r.outside, r.count) for r in self.gids)

    def owner_outside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return a user and group of the namespace as they are outside; -1 for what is not."""
        return outside(self.uids, uid), outside(self.gids, gid)

    def owner_inside(self, uid: int, gid: int) -> tuple[int, int]:
        """Return a user and group from outside as the namespace shows them."""
        return inside(self.uids, uid), inside(self.gids, gid)


def outside(ranges: Iterable[IdRange], id: int) -> int:
    """Return an ID of the namespace as it is outside, -1 if it has no place there."""
    for one in ranges:
        if one.inside <= id < one.inside + one.count:
            return one.outside + id - one.inside
    return -1


def inside(ranges: Iterable[IdRange], id: int) -> int:
    """Return an ID from outside as the namespace shows it: NOBODY if it has no place there."""
    for one in ranges:
        if one.outside <= id < one.outside + one.count:
            return one.inside + id - one.outside
    return NOBODY


def ranges_of_spec(mappings: Iterable[Mapping[str, Any]]) -> tuple[IdRange, ...]:
    """Return the runtime spec's ``uidMappings`` or ``gidMappings`` as ranges."""
    return tuple(IdRange(m["containerID"], m["hostID"], m["size"]) for m in mappings)


def ranges_in_spec(ranges: Iterable[IdRange]) -> list[IdMapping]:
    """Return ranges as the runtime spec writes them."""
    return [{"containerID": r.inside, "hostID": r.outside, "size": r.count} for r in ranges]


def ranges_of_lines(text: str) -> tuple[IdRange, ...]:
    """Return what /proc/PID/uid_map or gid_map says, as ranges."""
    rows = [line.split() for line in text.splitlines()]
    return tuple(IdRange(*map(int, row)) for row in rows if len(row) == 3)
