"""Every installed plugin with its state, for ``plugrun plugins``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from plugrun.errors import PlugrunError
from plugrun.interfaces.backend import Probe
from plugrun.model.profile import HOOKS, TRANSPORT, Profile
from plugrun.model.record import record
from plugrun.plugins.finding import ALL_KINDS, Found, find
from plugrun.plugins.loading import Plugin, load, mismatch
from plugrun.plugins.options import check_options


@record
class PluginInfo:
    """One line of ``plugrun plugins``.

    ``works`` is whether it loads and, for what can be probed, works on this machine; if not,
    ``reason`` and ``remedy`` say why and what to do. ``capabilities`` are sorted; a transport's are
    known only with an address.
    """

    kind: str
    name: str
    version: str
    distribution: str
    api_version: int
    capabilities: tuple[str, ...]
    works: bool
    reason: str = ""
    remedy: str = ""
    details: tuple[tuple[str, str], ...] = ()


def describe_all(
    global_root: str = "", run_root: str = "", profile: Profile | None = None
) -> list[PluginInfo]:
    """Load and probe every installed plugin, each on its own; broken ones have their reason.

    Each is opened with the options that ``profile`` has for it; without one, with its defaults.

    Backends are probed in a temporary folder under ``global_root`` (storage) or ``run_root``,
    because what works depends on the file system; without them, under the system's.
    """
    roots = {"storage": global_root}
    return [
        _describe(found, roots.get(kind, run_root), profile)
        for kind in ALL_KINDS
        for found in find(kind)
    ]


def _describe(found: Found, root: str, profile: Profile | None) -> PluginInfo:
    try:
        if not found.fits:
            raise mismatch(found)
        [plugin] = load(found.kind, [found.name])
        given = profile.options_of(found.kind, found.name) if profile else {}
        if found.kind in (TRANSPORT, HOOKS):
            check_options(plugin, given, {})
            return _info(found, (), Probe(True))
        with tempfile.TemporaryDirectory(prefix=".probe-", dir=_existing(root)) as folder:
            backend = _open(plugin, folder, given)
            return _info(found, tuple(sorted(backend.capabilities)), backend.probe())
    except PlugrunError as error:
        return _info(found, (), Probe(False, error.message, error.hint))
    except Exception as error:  # noqa: BLE001  (a third party's code: whatever it is, report it)
        return _info(found, (), Probe(False, f"{type(error).__name__}: {error}"))


def _open(plugin: Plugin, folder: str, given: Mapping[str, Any]) -> Any:
    place = "root" if plugin.found.kind == "storage" else "state"
    hook = getattr(plugin.manager.hook, f"plugrun_open_{plugin.found.kind}")
    return hook(**{place: f"{folder}/{plugin.name}"}, options=check_options(plugin, given, {}))


def _existing(root: str) -> str | None:
    """Return the nearest folder above a root that exists, so that its file system is probed."""
    while root and not os.path.isdir(root):
        root = os.path.dirname(root)
    return root or None


def _info(found: Found, capabilities: tuple[str, ...], probe: Probe) -> PluginInfo:
    return PluginInfo(
        kind=found.kind,
        name=found.name,
        version=found.version,
        distribution=found.distribution,
        api_version=found.api_version,
        capabilities=capabilities,
        works=probe.works,
        reason=probe.reason,
        remedy=probe.remedy,
        details=probe.details,
    )
