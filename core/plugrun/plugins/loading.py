"""Load plugins by name and hold them against the hook specs."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Sequence
from typing import Any

import pluggy
from stevedore import ExtensionManager, NamedExtensionManager
from stevedore.extension import error_on_conflict

from plugrun import hookspecs
from plugrun.api import API_VERSION
from plugrun.errors import PluginError
from plugrun.model.profile import HOOKS
from plugrun.model.record import record
from plugrun.plugins.finding import Found, find, group

# Names that a distribution can have (PyPA's specification of names and normalization).
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)


class HookManager(pluggy.PluginManager):
    """Takes every ``plugrun_*`` function for an implementation, as pytest does with its own."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Return how a function is a hook implementation, or None if it is none."""
        if not name.startswith("plugrun_") or not inspect.isroutine(getattr(plugin, name, None)):
            return None
        return super().parse_hookimpl_opts(plugin, name) or {}


@record
class Plugin:
    """A plugin that has been loaded and fits.

    ``hooks`` maps each hook it implements to the arguments it takes, in its own order.
    """

    found: Found
    target: object
    manager: HookManager
    hooks: dict[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The entry point's name."""
        return self.found.name


def load(kind: str, names: Sequence[str]) -> list[Plugin]:
    """Load the named plugins of a kind, in that order; raise PluginError for the first that fails.

    The message names distribution, version, entry point and cause.
    """
    installed = find(kind)
    chosen = [_select(kind, name, installed) for name in names]
    return [_register(found, _import(found, installed)) for found in chosen]


def _select(kind: str, name: str, installed: list[Found]) -> Found:
    named = [f for f in installed if f.name == name]
    fitting = [f for f in named if f.fits]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        owners = " and ".join(f"{f.distribution} {f.version}" for f in fitting)
        raise PluginError(
            f'two distributions have a {kind} plugin "{name}": {owners}',
            hint=f"uninstall one: pip uninstall {fitting[-1].distribution}",
        )
    if named:
        raise mismatch(named[0])
    raise missing(kind, name, [f.name for f in installed if f.fits])


def mismatch(found: Found) -> PluginError:
    """Return the error for a plugin of another API version."""
    newer = found.api_version > API_VERSION
    other = "plugrun" if newer else found.distribution
    return PluginError(
        f"the {found} is made for version {found.api_version} of the plugin API; "
        f"this plugrun has version {API_VERSION}",
        hint=f"pip install --upgrade {other}",
    )


def missing(kind: str, name: str, names: Sequence[str]) -> PluginError:
    """Return the error for a name that no distribution offers.

    Whoever has one letter wrong is told which name was meant, and nothing to install: a
    distribution of that name might be anybody's.
    """
    near = difflib.get_close_matches(name, names, 1, 0.6)
    guess = f' (did you mean "{near[0]}"?)' if near else ""
    known = ", ".join(names) or "none"
    hint = '"plugrun plugins" lists what is installed, and whether it works here'
    if not near and _DISTRIBUTION.fullmatch(name):
        hint = f"if another distribution has it: pip install plugrun-{name}, say; {hint}"
    return PluginError(
        f'no {kind} plugin "{name}" is installed{guess}; installed: {known}', hint=hint
    )


def _import(found: Found, installed: list[Found]) -> object:
    """Import through stevedore, which takes the entry points from here.

    Its own cache would lose ``.dist`` and write to the home directory. Its failure callback comes
    before it calls the plugin missing, and it lets AssertionError and SystemExit through.
    """
    namespace = group(found.kind)
    failures: list[BaseException] = []
    entry_points = [other.entry_point for other in installed if other.fits]
    ExtensionManager.ENTRY_POINT_CACHE[namespace] = entry_points
    try:
        extensions: NamedExtensionManager[Any] = NamedExtensionManager(
            namespace,
            [found.name],
            on_load_failure_callback=lambda _manager, _entry_point, error: failures.append(error),
            on_missing_entrypoints_callback=None,
            conflict_resolver=error_on_conflict,
        )
    except (AssertionError, SystemExit) as error:
        failures.append(error)
    finally:
        del ExtensionManager.ENTRY_POINT_CACHE[namespace]
    if failures:
        raise broken(found, failures[0])
    plugin: object = extensions[found.name].plugin
    return plugin


def broken(found: Found, error: BaseException) -> PluginError:
    """Return the error for a plugin that cannot be imported."""
    where = found.entry_point.value
    fault = PluginError(
        f"the {found} cannot be loaded from {where}: {type(error).__name__}: {error}",
        hint=f"pip install --upgrade {found.distribution}, or take it out of the profile",
    )
    fault.__cause__ = error
    return fault


def _register(found: Found, target: object) -> Plugin:
    manager = HookManager("plugrun")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(target, found.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"the {found} ({found.entry_point.value}) does not fit: {' '.join(str(error).split())}",
            hint=f"pip install --upgrade {found.distribution}",
        ) from None
    hooks = {}
    for caller in manager.get_hookcallers(target) or ():
        for implementation in caller.get_hookimpls():
            if implementation.wrapper or implementation.hookwrapper:
                raise PluginError(f"the {found} has {caller.name} as a wrapper, not a function")
            hooks[caller.name] = tuple(implementation.argnames)
    _check_purpose(found, hooks)
    return Plugin(found, target, manager, hooks)


def _check_purpose(found: Found, hooks: dict[str, tuple[str, ...]]) -> None:
    needed = [f"plugrun_open_{found.kind}"]
    if found.kind == HOOKS:
        needed = ["plugrun_adjust_spec", "plugrun_event"]
    if not any(name in hooks for name in needed):
        raise PluginError(
            f"the {found} ({found.entry_point.value}) has no function {' or '.join(needed)}",
            hint=f"pip install --upgrade {found.distribution}",
        )
