"""What ``plugrun.launchindex`` keeps, made from the configuration and the installed plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from plugrun.config import Settings, load_settings
from plugrun.config.reading import nearest
from plugrun.errors import ConfigError, PluginError
from plugrun.plugins.finding import ALL_KINDS, find
from plugrun.plugins.loading import Plugin, load
from plugrun.plugins.options import check_options

_Watch = list[tuple[str, tuple[int, ...]]]


class Request(Protocol):
    """The part of a command line that decides which backends there are."""

    @property
    def config(self) -> str: ...  # noqa: D102
    @property
    def profile(self) -> str: ...  # noqa: D102
    @property
    def environ(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def cwd(self) -> str: ...  # noqa: D102


def build(request: Request, old: dict[str, Any] | None) -> dict[str, Any]:
    """Resolve the profile, load and check all it names; return plain data for marshal.

    From an outdated index only the memory of what was installed once is taken over.
    """
    settings = load_settings(request.config, request.profile, request.environ, request.cwd)
    profile = settings.profile
    _check_option_names(settings)
    plugins: dict[tuple[str, str], Any] = {}
    watch: _Watch = []
    for kind in ALL_KINDS:
        for plugin in _load_named(settings, kind):
            plugins[kind, plugin.name] = _entry(plugin, settings)
            watch += _watch(plugin)
    known = dict(old["known"]) if old and isinstance(old.get("known"), dict) else {}
    known.update({key: f"{entry[2]} {entry[3]}" for key, entry in plugins.items()})
    fields = tuple(getattr(profile, name) for name in type(profile).__match_args__)
    return {"profile": fields, "plugins": plugins, "watch": watch, "known": known, "choices": {}}


def look_up(request: Request, kind: str, name: str, known: str) -> tuple[tuple[Any, ...], _Watch]:
    """Load a plugin the profile does not name; PluginError tells what had it before (``known``)."""
    settings = load_settings(request.config, request.profile, request.environ, request.cwd)
    try:
        [plugin] = load(kind, [name])
    except PluginError as error:
        if known and name not in {found.name for found in find(kind)}:
            message = f"{error.message}; it was part of {known}"
            hint = f"install that again: pip install {known.partition(' ')[0]}"
            raise PluginError(message, hint=hint) from error
        raise
    return _entry(plugin, settings), _watch(plugin)


def _load_named(settings: Settings, kind: str) -> list[Plugin]:
    loaded = []
    for name in settings.profile.names(kind):
        try:
            loaded += load(kind, [name])
        except PluginError as error:
            where = settings.origins.get(f"{kind}.{name}", "")
            raise PluginError(f"{where}: {error.message}", hint=error.hint) from error
    return loaded


def _check_option_names(settings: Settings) -> None:
    """Refuse options for a backend that does not exist: nobody else would notice."""
    for kind, backends in settings.profile.options.items():
        installed = {found.name for found in find(kind)} | set(settings.profile.names(kind))
        for backend, options in backends.items():
            if backend not in installed:
                prefix = f"options.{kind}.{backend}"
                where = settings.origins.get(f"{prefix}.{next(iter(options))}", "options")
                raise ConfigError(
                    f'{where}: options for the {kind} "{backend}", which is not installed'
                    f"{nearest(backend, installed)}",
                    hint=f"installed: {', '.join(sorted(installed))}",
                )


def _entry(plugin: Plugin, settings: Settings) -> tuple[Any, ...]:
    found = plugin.found
    given = settings.profile.options_of(found.kind, found.name)
    module, attribute = found.entry_point.module, found.entry_point.attr or ""
    options = check_options(plugin, given, settings.origins)
    return (module, attribute, found.distribution, found.version, plugin.hooks, options)


def _watch(plugin: Plugin) -> _Watch:
    """Return the plugin's file and its state: an editable install changes nothing else."""
    path = getattr(sys.modules[plugin.found.entry_point.module], "__file__", None)
    if path is None:
        return []
    found = os.stat(path)
    return [(path, (found.st_mtime_ns, found.st_ino, found.st_size))]
