"""Backends and profiles that the command line names, held against those that there are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from plugrun.config import load_settings
from plugrun.errors import ConfigError, InvalidArgument
from plugrun.matrix.cell import ISOLATION, NETWORK, PROFILE, STORAGE, Cell, Matrix
from plugrun.matrix.reading import is_pattern, said_values
from plugrun.plugins.finding import find
from plugrun.plugins.loading import missing

_Pairs = frozenset[tuple[str, str]]


class Installed:
    """What there is here: ``config`` is the file named for all of plugrun."""

    def __init__(self, config: str, environ: Mapping[str, str]) -> None:
        self._config = config
        self._environ = {k: value for k, value in environ.items() if k != "PLUGRUN_PROFILE"}

    def check_included(self, said: Sequence[str], file: Matrix, cells: Iterable[Cell]) -> None:
        """InvalidArgument if ``--include`` names a backend or a profile that is not here.

        What the matrix file names may be elsewhere, as it may for ``cells`` that run through
        another command.
        """
        known = {(axis, value) for axis, values in file.axes for value in values}
        known |= {pair for values in file.include for pair in values}
        known |= {pair for cell in cells if cell.through for pair in cell.axes}
        self._check("--include", said, frozenset(known))

    def check_excluded(self, said: Sequence[str], cells: Iterable[Cell]) -> None:
        """InvalidArgument if ``--exclude`` names one that no cell has and that is not here."""
        pairs = [pair for cell in cells for pair in cell.axes]
        known = {(axis, one) for axis, value in pairs for one in (value, *value.split("|"))}
        self._check("--exclude", said, frozenset(known))

    def check_profiles(self, file: Matrix, cells: Iterable[Cell]) -> None:
        """ConfigError if the profile of a cell is not here, or wrong; not for those that run
        through another command."""
        places = dict(file.places)
        here = [cell for cell in cells if not cell.through]
        wanted = {(c.config, c.profile or ("" if c.config else file.extends)): c for c in here}
        for (config, name), cell in wanted.items():
            try:
                load_settings(config or self._config, name, self._environ, os.getcwd())
            except ConfigError as error:
                where = places.get(name) or f"cell {cell.name}"
                reason = error.message.removeprefix("--profile: ")
                raise ConfigError(f"{where}: {reason}", hint=error.hint) from None

    def _check(self, option: str, said: Sequence[str], known: _Pairs) -> None:
        for text in said:
            for axis, (value,) in said_values(text):
                if (axis, value) in known:
                    continue
                if axis in (STORAGE, ISOLATION, NETWORK):
                    _check_backend(f"{option} {text}", axis, value)
                elif axis == PROFILE and not (option == "--include" and is_pattern(value)):
                    self._check_profile(f"{option} {text}", value)

    def _check_profile(self, where: str, name: str) -> None:
        try:
            load_settings(self._config, name, self._environ, os.getcwd())
        except ConfigError as error:
            reason = error.message.removeprefix("--profile: ")
            raise InvalidArgument(f"{where}: {reason}", hint=error.hint) from None


def _check_backend(where: str, kind: str, name: str) -> None:
    names = sorted({found.name for found in find(kind)})
    if name not in names:
        error = missing(kind, name, names)
        raise InvalidArgument(f"{where}: {error.message}", hint=error.hint)
