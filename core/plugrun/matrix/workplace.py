"""What a cell has of its own: a configuration, a root, and the environment that names them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from plugrun.config import load_settings
from plugrun.config.reading import read_marked
from plugrun.errors import ConfigError
from plugrun.matrix.cell import (
    CGROUP,
    ISOLATION,
    NAME_VARIABLE,
    NETWORK,
    STORAGE,
    Cell,
    Matrix,
    variable,
)
from plugrun.model.record import record, replace

_PROFILE = "matrix-cell"


@record
class Workplace:
    """One cell, ready to run. ``environ`` is the command's whole environment."""

    cell: Cell
    folder: str
    environ: Mapping[str, str]

    @property
    def root(self) -> str:
        """Where the cell's images and containers are."""
        return f"{self.folder}/root"

    @property
    def run_root(self) -> str:
        """Where the cell's running state is."""
        return f"{self.folder}/run"

    @property
    def log(self) -> str:
        """What the command wrote, standard output and error together."""
        return f"{self.folder}/log"


def prepare(
    cell: Cell, matrix: Matrix, top: str, config: str, environ: Mapping[str, str]
) -> Workplace:
    """Make a cell's folder below ``top``, with its configuration.

    ``config`` is the file that the user named for all of plugrun; the cell's profile extends one of
    it. ConfigError if that is no YAML mapping.
    """
    folder = f"{top}/{cell.name}"
    os.mkdir(folder, 0o700)
    if cell.adjusted or not (cell.config or cell.profile):
        path = f"{folder}/plugrun.yaml"
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(_document(cell, matrix, config, environ), file, sort_keys=False)
        cell = replace(cell, config=path, profile=_PROFILE)
    given = {**environ, **dict(matrix.env)}
    own = {
        **given,
        "PATH": _path(given.get("PATH", os.defpath)),
        "PLUGRUN_ROOT": f"{folder}/root",
        "PLUGRUN_RUN_ROOT": f"{folder}/run",
        "PLUGRUN_CONFIG": cell.config or config,
        "PLUGRUN_PROFILE": cell.profile,
        NAME_VARIABLE: cell.name,
        **{variable(axis): value for axis, value in cell.axes},
    }
    return Workplace(cell, folder, {name: value for name, value in own.items() if value})


def _path(path: str) -> str:
    """Let the command find this very plugrun, first of all: it is what the matrix is about."""
    own = os.path.dirname(os.path.abspath(sys.argv[0]))
    return f"{own}:{path}" if os.path.exists(f"{own}/plugrun") else path


def _document(
    cell: Cell, matrix: Matrix, config: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return the user's configuration with one profile more: this cell's."""
    base = cell.config or config
    document = _read(base) if base else {}
    profile: dict[str, Any] = {"extends": _extended(cell, matrix, environ)}
    for axis in (STORAGE, ISOLATION, NETWORK):
        if cell.value(axis):
            profile[axis] = cell.value(axis)
    if cell.value(CGROUP):
        isolation = cell.value(ISOLATION) or "ns"
        profile["options"] = {"isolation": {isolation: {"cgroup_version": cell.value(CGROUP)}}}
    profiles = {**document.get("profiles", {}), _PROFILE: profile}
    return {**document, "profile": _PROFILE, "profiles": profiles}


def _extended(cell: Cell, matrix: Matrix, environ: Mapping[str, str]) -> str:
    """Return the profile that the cell's own one starts from."""
    if not cell.config:
        return cell.profile or matrix.extends
    plain = {name: value for name, value in environ.items() if name != "PLUGRUN_PROFILE"}
    return load_settings(cell.config, "", plain, os.getcwd()).profile.name


def _read(config: str) -> dict[str, Any]:
    try:
        with open(config, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise ConfigError(f"{config}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{config}: not UTF-8 at byte {error.start}") from None
    read_marked(text, config)  # whose errors name the line, and which ends what has no end
    found = yaml.safe_load(text) or {}
    if not isinstance(found, dict):
        raise ConfigError(f"{config}: the document must be a mapping")
    return found
