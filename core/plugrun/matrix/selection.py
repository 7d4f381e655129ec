"""The cells that a command line asks for: of files, of profiles, one by one, and without some."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from plugrun.errors import ConfigError, InvalidArgument, UsageError
from plugrun.matrix.cell import PROFILE, Cell, Matrix
from plugrun.matrix.naming import Installed
from plugrun.matrix.plan import cells_of, shard, without
from plugrun.matrix.profiles import profile_cells
from plugrun.matrix.reading import products, profile_values, read_matrix, said_values
from plugrun.model.record import record, replace


@record
class Wanted:
    """What the command line says of cells, as it is written there."""

    matrix: str = ""
    profiles: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    require: bool = False
    shard: str = ""

    @property
    def words(self) -> list[str]:
        """Return the options that make the same cells again, but for the shard."""
        pairs = [("--profiles", one) for one in self.profiles]
        pairs += [("--matrix", self.matrix)] if self.matrix else []
        pairs += [("--include", one) for one in self.include]
        pairs += [("--exclude", one) for one in self.exclude]
        words = [word for pair in pairs for word in pair]
        return [*words, "--require"] if self.require else words


def select(
    wanted: Wanted, config: str, environ: Mapping[str, str], *, elsewhere: bool = False
) -> tuple[Matrix, tuple[Cell, ...]]:
    """Return the matrix and the cells; ``config`` is the file named for all of plugrun.

    The command line may name only backends and profiles that are here, unless the cells run
    ``elsewhere``.

    UsageError if the command line is wrong, ConfigError if a file is.
    """
    try:
        return _select(wanted, config, environ, elsewhere)
    except InvalidArgument as error:
        raise UsageError(error.message, hint=error.hint) from None


def _select(
    wanted: Wanted, config: str, environ: Mapping[str, str], elsewhere: bool
) -> tuple[Matrix, tuple[Cell, ...]]:
    file = read_matrix(wanted.matrix) if wanted.matrix else Matrix()
    matrix = _with_included(file, wanted.include)
    cells: tuple[Cell, ...] = ()
    if wanted.profiles:
        cells += profile_cells(wanted.profiles, config, environ, os.getcwd())
    if wanted.matrix or wanted.include:
        cells += cells_of(matrix)
    if not cells:
        raise UsageError("name the cells: --profiles, --matrix or --include")
    here = Installed(config, environ)
    if not elsewhere:
        here.check_included(wanted.include, file, cells)
        here.check_excluded(wanted.exclude, cells)
    cells = _without_excluded(cells, wanted.exclude)
    if not elsewhere:
        here.check_profiles(file, cells)
    if wanted.require:
        cells = tuple(replace(cell, required=True) for cell in cells)
    return matrix, shard(cells, wanted.shard) if wanted.shard else cells


def _with_included(matrix: Matrix, said: Sequence[str]) -> Matrix:
    files = dict(matrix.files)
    further: list[tuple[tuple[str, str], ...]] = []
    for text in said:
        try:
            axes = [
                (name, profile_values(values, files, "--include") if name == PROFILE else values)
                for name, values in said_values(text)
            ]
        except ConfigError as error:
            raise UsageError(error.message) from None
        further += products(axes)
    return replace(matrix, include=(*matrix.include, *further), files=tuple(files.items()))


def _without_excluded(cells: Sequence[Cell], said: Sequence[str]) -> tuple[Cell, ...]:
    known = {axis for cell in cells for axis, _ in cell.axes}
    several = []
    for text in said:
        values = said_values(text)
        for name, _ in values:
            if name not in known:
                raise UsageError(
                    f'--exclude {text}: no cell has the axis "{name}"',
                    hint=f"known here: {', '.join(sorted(known))}",
                )
        several.append(tuple((name, value) for name, (value,) in values))
    left = without(cells, several)
    if not left:
        raise UsageError("--exclude leaves no cell")
    return left
