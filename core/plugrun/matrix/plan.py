"""From a matrix, or from profiles, to cells: products, exclusion, inclusion and shards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from plugrun.errors import InvalidArgument
from plugrun.matrix.cell import OURS, PARTS, PROFILE, Cell, Matrix
from plugrun.model.record import replace

_Values = tuple[tuple[str, str], ...]
_LONGEST_NAME = 200  # a log's file has a suffix more, and NAME_MAX is 255
_MOST = 10_000


def cells_of(matrix: Matrix) -> tuple[Cell, ...]:
    """Return the cells in the order of the axes, then those included, each once."""
    names = [name for name, _ in matrix.axes]
    count = math.prod(len(values) for _, values in matrix.axes)
    check_count(count + len(matrix.include))
    products = itertools.product(*(values for _, values in matrix.axes)) if names else ()
    combined = [tuple(zip(names, values, strict=True)) for values in products]
    wanted = [one for one in combined if not _matches_any(one, matrix.exclude)]
    all_values = list(dict.fromkeys([*wanted, *matrix.include]))
    if not all_values:
        raise InvalidArgument("the matrix has no cell: everything is excluded")
    return unique(_cell(matrix, values) for values in all_values)


def _cell(matrix: Matrix, values: _Values) -> Cell:
    through: tuple[str, ...] = ()
    for when, command in matrix.through:
        if _matches(values, when):
            through = command
    profile = dict(values).get(PROFILE, "")
    file = dict(matrix.files).get(profile, "")
    return Cell(
        name_of(values),
        values,
        config=file,
        profile="" if file else profile,
        adjusted=bool(profile) and any(axis in PARTS for axis, _ in values),
        required=_matches_any(values, matrix.require),
        through=through,
    )


def check_count(count: int) -> None:
    """InvalidArgument if nobody can mean so many cells."""
    if count > _MOST:
        raise InvalidArgument(f"the matrix has {count} cells: more than {_MOST} cannot be meant")


def without(cells: Iterable[Cell], excluded: Iterable[_Values]) -> tuple[Cell, ...]:
    """Return the cells that have not all values of one of ``excluded``."""
    several = list(excluded)
    return tuple(cell for cell in cells if not _matches_any(cell.axes, several))


def name_of(values: Iterable[tuple[str, str]]) -> str:
    """Name a cell by its values; those on axes of the command's own say which axis that is."""
    parts = [value if axis in OURS else f"{axis}={value}" for axis, value in values]
    return "-".join(tame(part) for part in parts)[:_LONGEST_NAME].strip(".") or "_"


def tame(text: str) -> str:
    """Keep what may stand in a file's name and in a CI job's."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._=+") else "_" for c in text)


def unique(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Number the cells whose names are the same; each has a folder of its name."""
    found: dict[str, Cell] = {}
    for cell in cells:
        name, count = cell.name, 1
        while name in found:
            count += 1
            name = f"{cell.name}.{count}"
        found[name] = replace(cell, name=name)
    return tuple(found.values())


def _matches(values: _Values, wanted: _Values) -> bool:
    return set(wanted) <= set(values)


def _matches_any(values: _Values, several: Iterable[_Values]) -> bool:
    return any(_matches(values, wanted) for wanted in several)


def shard(cells: Sequence[Cell], said: str) -> tuple[Cell, ...]:
    """Return the part ``i/n`` of the cells, dealt out in turn; i counts from 1.

    All parts together are all cells, each once, whichever machine asks.
    """
    index, slash, count = said.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise InvalidArgument(f'invalid shard "{said}": it must be i/n with 1 <= i <= n')
    return tuple(cells[int(index) - 1 :: int(count)])
