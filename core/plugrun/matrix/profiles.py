"""Cells of profiles: a file each, as in ``config/profiles/*.yaml``, or a name each."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping

from plugrun.config import load_settings
from plugrun.errors import ConfigError
from plugrun.matrix.cell import CGROUP, ISOLATION, NETWORK, STORAGE, Cell
from plugrun.matrix.plan import tame, unique
from plugrun.model.profile import Profile


def profile_cells(
    said: Iterable[str], config: str, environ: Mapping[str, str], cwd: str
) -> tuple[Cell, ...]:
    """Return a cell for each profile: names in the configuration, files, folders or patterns.

    Several may stand in one word, with commas between. ConfigError if one is nothing of that.
    """
    words = [word for text in said for word in text.split(",") if word]
    return unique(cell for word in words for cell in _cells(word, config, environ, cwd))


def _cells(word: str, config: str, environ: Mapping[str, str], cwd: str) -> Iterator[Cell]:
    plain = {name: value for name, value in environ.items() if name != "PLUGRUN_PROFILE"}
    files = sorted(glob.glob(os.path.join(cwd, word, "*.yaml") if os.path.isdir(word) else word))
    if not files and (any(c in word for c in "*?[/") or word.endswith(".yaml")):
        raise ConfigError(f"{word}: no such file")
    if not files:
        try:
            profile = load_settings(config, word, plain, cwd).profile
        except ConfigError as error:
            reason = error.message.removeprefix("--profile: ")
            raise ConfigError(f"--profiles {word}: {reason}", hint=error.hint) from None
        yield Cell(_name(word), _axes(profile), config, word)
    for file in files:
        path = os.path.abspath(file)
        profile = load_settings(path, "", plain, cwd).profile
        yield Cell(_name(os.path.basename(file).removesuffix(".yaml")), _axes(profile), path)


def _name(text: str) -> str:
    """Return a cell's name, which is a folder's, too; that of a file may be anything."""
    return "-".join(tame(part) for part in text.split("-")).strip(".") or "_"


def _axes(profile: Profile) -> tuple[tuple[str, str], ...]:
    found = [(kind, "|".join(profile.names(kind))) for kind in (STORAGE, ISOLATION, NETWORK)]
    version = profile.options_of(ISOLATION, profile.isolation[0]).get("cgroup_version", "")
    return (*found, (CGROUP, str(version))) if version else tuple(found)
