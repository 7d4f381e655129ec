"""The hooks of the backend ``ns``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Isolation, Option


def plugrun_open_isolation(state: str, options: Mapping[str, Any]) -> Isolation | None:
    """Open isolation by this machine's own namespaces and cgroups."""
    from plugrun_isolation_ns.isolation import NamespaceIsolation

    return NamespaceIsolation(state, options)


def plugrun_options() -> tuple[Option, ...]:
    """Declare the keys a profile may set."""
    from plugrun.api import Option

    return (
        Option(
            "cgroup_version",
            "string",
            "auto",
            "which cgroup hierarchy fences containers in",
            choices=("auto", "v1", "v2"),
        ),
        Option("cgroup_parent", "string", "plugrun", "the cgroup containers are made beneath"),
    )
