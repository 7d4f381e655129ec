"""Configuration: YAML files in, one frozen ``Profile`` out.

Sources, later wins: built-in, ``/etc/plugrun/config.yaml``,
``$XDG_CONFIG_HOME/plugrun/config.yaml`` (``~/.config`` if unset), ``./plugrun.yaml``,
``--config FILE``. Documents are merged by key, down to one option of one backend; a list is
replaced as a whole.

This module is on the hot path: it only names the files. What reads YAML is loaded when asked for.
"""

from __future__ import annotations

import os

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.model.profile import Profile

SYSTEM_FILE = "/etc/plugrun/config.yaml"


@record
class Candidate:
    """One place a configuration file may stand, and what stat(2) says of it.

    ``mark`` is empty if there is no file; otherwise it changes whenever the file does.
    """

    path: str
    mark: tuple[int, ...]

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return bool(self.mark)


@record
class Settings:
    """What all configuration files say together.

    ``origins`` maps a dotted key of the profile (``storage``, ``storage.overlay``,
    ``options.storage.overlay.KEY``) to ``FILE:LINE`` or ``built-in``. ``profiles`` are the names
    one may choose from.
    """

    profile: Profile
    origins: Mapping[str, str]
    files: tuple[Candidate, ...]
    profiles: tuple[str, ...]


def candidates(explicit: str, environ: Mapping[str, str], cwd: str) -> tuple[Candidate, ...]:
    """Return every place that is looked at, least important first."""
    paths = [SYSTEM_FILE]
    home = environ.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # XDG Base Directory Specification: a relative one is ignored
        home = environ["HOME"] + "/.config" if environ.get("HOME") else ""
    if home:
        paths.append(f"{home}/plugrun/config.yaml")
    paths.append(os.path.join(cwd, "plugrun.yaml"))
    if explicit:
        paths.append(os.path.join(cwd, explicit))
    return tuple(Candidate(path, _mark(path)) for path in paths)


def check_explicit(path: str) -> None:
    """Raise ConfigError if ``--config``, or PLUGRUN_CONFIG, names a file that is not there.

    For every command, before it begins: where the outcome of all files is kept, none is read.
    """
    if path and not _mark(path):
        from plugrun.errors import ConfigError

        raise ConfigError(f"{path}: no such file (named by --config or PLUGRUN_CONFIG)")


def _mark(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except PermissionError:
        return (0,)
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_uid, found.st_mode)


def load_settings(
    explicit: str, profile_name: str, environ: Mapping[str, str], cwd: str
) -> Settings:
    """Read all files and resolve one profile; raise ConfigError with file and line.

    ``profile_name`` is what ``--profile`` says; after it come ``PLUGRUN_PROFILE`` and the files'
    ``profile:``.
    """
    from plugrun.config.resolving import load

    return load(explicit, profile_name, environ, cwd)


def show(settings: Settings, origin: bool = False) -> str:
    """Return the resolved profile as YAML; with ``origin`` each line says where it is from."""
    from plugrun.config.showing import show

    return show(settings, origin)
