"""The hooks of the backend ``oci``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.api import Isolation, Option


def plugrun_open_isolation(state: str, options: Mapping[str, Any]) -> Isolation | None:
    """Open isolation by an installed OCI runtime."""
    from plugrun_isolation_oci.isolation import RuntimeIsolation

    return RuntimeIsolation(state, options)


def plugrun_options() -> tuple[Option, ...]:
    """Declare the keys a profile may set."""
    from plugrun.api import Option

    return (
        Option("runtime", "string", "runc", "an OCI runtime: a program's name or path"),
        Option("arguments", "strings", (), "what the runtime is told before each verb"),
        Option("cgroup_parent", "string", "plugrun", "the cgroup containers are made beneath"),
    )
