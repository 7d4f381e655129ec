"""The IDs of this machine that may be given away: subuid(5) and subgid(5)."""

from __future__ import annotations

from plugrun.errors import InvalidArgument
from plugrun.model.idmap import IdRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SUBUID = "/etc/subuid"
SUBGID = "/etc/subgid"
# Where the files have no line: IDs that are nobody's, between what useradd(8) and systemd give away
# (systemd.io, "Users, Groups, UIDs and GIDs") and what some programs take for negative. Docker
# would write a line for the first of them into the files.
OF_REMAP = IdRange(0, 0x70000000, 65536)
OF_AUTO = IdRange(0, 0x70010000, 0x0FFE0000)


def ranges_of(file: str, names: Iterable[str], usual: IdRange | None = None) -> tuple[IdRange, ...]:
    """Return what a file gives to whoever has one of these names, in its order.

    The first range is for the IDs from 0 on inside, each further one goes on where that ended, as
    in Docker. Where there are none it is ``usual``. Raise InvalidArgument if there is nothing, or
    a line is wrong.
    """
    wanted = tuple(names)
    found: list[IdRange] = []
    for first, count in _lines(file, wanted):
        inside = found[-1].inside + found[-1].count if found else 0
        found.append(IdRange(inside, first, count))
    if not found and usual is not None:
        return (usual,)
    if not found:
        raise InvalidArgument(
            f"no subordinate IDs found for {wanted[0]} in {file}",
            hint=f"add a line to it, with IDs that nobody else has: {wanted[0]}:100000:65536",
        )
    return tuple(found)


def _lines(file: str, names: tuple[str, ...]) -> Iterable[tuple[int, int]]:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, 1):
        name, _, rest = line.partition(":")
        if name not in names:
            continue
        first, _, count = rest.partition(":")
        if not (first.isdecimal() and count.isdecimal() and int(count)):
            raise InvalidArgument(
                f"{file}:{number}: not a line of NAME:FIRST:COUNT: {line}", hint="see subuid(5)"
            )
        if int(first) + int(count) > 2**32 - 1:
            raise InvalidArgument(f"{file}:{number}: IDs end at 4294967294: {line}")
        yield int(first), int(count)
