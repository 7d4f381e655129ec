"""All looks at the machine together, and what they come to for the profile in force."""

from __future__ import annotations

from plugrun.engine.doctor.cgroups import check_cgroups
from plugrun.engine.doctor.checks import Check
from plugrun.engine.doctor.devices import check_devices, check_network, check_root
from plugrun.engine.doctor.kernel import check_kernel
from plugrun.engine.doctor.registries import check_registries
from plugrun.engine.doctor.userns import check_user_namespaces
from plugrun.model.profile import HOOKS, KINDS, TRANSPORT
from plugrun.model.record import record
from plugrun.plugins import PluginInfo, describe_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plugrun.engine.engine import Engine
    from plugrun.model.profile import Profile


@record
class Diagnosis:
    """``lacks`` are the reasons why the profile does not work here; none if it does."""

    profile: str
    plugins: tuple[PluginInfo, ...]
    used: frozenset[tuple[str, str]]
    checks: tuple[Check, ...]
    lacks: tuple[str, ...]


def examine(engine: Engine, profile: Profile, registries: Iterable[str]) -> Diagnosis:
    """Probe every installed backend, and look at what they and containers need; nothing stays."""
    plugins = tuple(describe_all(engine.root, engine.run_root, profile))
    checks = (
        *check_kernel(),
        *check_cgroups(),
        *check_user_namespaces(),
        *check_devices(),
        *check_network(),
        *check_root(engine.root),
        *check_registries(engine, registries),
    )
    used = frozenset((kind, name) for kind in (*KINDS, HOOKS) for name in profile.names(kind))
    return Diagnosis(profile.name, plugins, used, checks, tuple(_lacks(profile, plugins)))


def _lacks(profile: Profile, plugins: Sequence[PluginInfo]) -> list[str]:
    """Return why a profile does not work: of a list to fall back along one is enough."""
    works = {(plugin.kind, plugin.name): plugin.works for plugin in plugins}
    lacks = []
    for kind in (*KINDS, HOOKS):
        names = profile.names(kind)
        bad = [name for name in names if not works.get((kind, name))]
        every = kind in (TRANSPORT, HOOKS)
        if bad and (every or len(bad) == len(names)):
            lacks.append(f"{kind} {', '.join(bad)}")
    return lacks
