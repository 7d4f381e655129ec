"""IDs of its own for each container: the first of podman's that no other container has."""

from __future__ import annotations

from plugrun.engine.userns.deciding import AUTO_USER, ids_of
from plugrun.engine.userns.subids import OF_AUTO, SUBGID, SUBUID, ranges_of
from plugrun.errors import Conflict
from plugrun.model.idmap import IdMap, IdRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.engine.engine import Engine


def free_range(engine: Engine, size: int) -> IdMap:
    """Return a mapping of ``size`` IDs that no container of this root has, and no step of a build.

    To be called, and the container recorded, with the lock ``userns`` held. Raise Conflict if
    there is no room.
    """
    from plugrun.engine.build.marks import marked_ids

    taken = [ids_of(container) for container in engine.metadata.containers()]
    taken += marked_ids(engine)
    uids = [one for ids in taken if ids for one in ids.uids]
    gids = [one for ids in taken if ids for one in ids.gids]
    return IdMap(
        (_first_free(SUBUID, uids, size),),
        (_first_free(SUBGID, gids, size),),
    )


def _first_free(file: str, taken: Iterable[IdRange], size: int) -> IdRange:
    ends = sorted((one.outside, one.outside + one.count) for one in taken)
    for one in ranges_of(file, (AUTO_USER,), OF_AUTO):
        start, end = one.outside, one.outside + one.count
        for low, high in ends:
            if high <= start or low >= start + size:
                continue
            start = high
        if start + size <= end:
            return IdRange(0, start, size)
    raise Conflict(
        f"no {size} IDs in a row are left for {AUTO_USER} in {file}",
        hint=f"remove containers, give {AUTO_USER} more there, or say --userns=auto:size=NUMBER",
    )
