"""The hooks. A hook hands over an object, and the object does the work.

One hook per operation would not do: with ``firstresult`` an operation that returns None counts as
not handled, and the next backend would run it too.

A plugin is a module (or object) named by an entry point in ``plugrun.storage.v1``,
``plugrun.isolation.v1``, ``plugrun.transport.v1``, ``plugrun.network.v1`` or ``plugrun.hooks.v1``.
Every function in it whose name starts with ``plugrun_`` implements a hook; a name that is no hook
is an error, so that a slip of the pen does not go unseen. It may leave out arguments it does not
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from plugrun.interfaces.isolation import Isolation
    from plugrun.interfaces.network import Network
    from plugrun.interfaces.registry import Registry
    from plugrun.interfaces.storage import Storage
    from plugrun.interfaces.transport import Transport
    from plugrun.model.container import Container
    from plugrun.model.event import Event
    from plugrun.model.option import Option
    from plugrun.model.spec import RuntimeSpec

hookspec = pluggy.HookspecMarker("plugrun")


@hookspec(firstresult=True)
def plugrun_open_storage(root: str, options: Mapping[str, Any]) -> Storage | None:
    """Open storage whose state lies in the folder ``root``, made if missing (mode 0700).

    ``options`` are the profile's for this backend, checked against ``plugrun_options``.
    """


@hookspec(firstresult=True)
def plugrun_open_isolation(state: str, options: Mapping[str, Any]) -> Isolation | None:
    """Open isolation whose state lies in the folder ``state``, which a reboot may empty."""


@hookspec(firstresult=True)
def plugrun_open_transport(address: str, options: Mapping[str, Any]) -> Transport | None:
    """Open a transport for ``address``, or return None if its scheme is another's."""


@hookspec(firstresult=True)
def plugrun_open_registry(server: str, options: Mapping[str, Any]) -> Registry | None:
    """Open the server that a user calls ``server`` (nothing: the default one), or return None.

    A hook of transport plugins, with the options of ``plugrun_open_transport``.
    """


@hookspec(firstresult=True)
def plugrun_open_network(state: str, options: Mapping[str, Any]) -> Network | None:
    """Open a network whose state lies in the folder ``state``, which a reboot may empty."""


@hookspec
def plugrun_options() -> tuple[Option, ...]:  # type: ignore[empty-body]
    """Declare the keys a profile may set under ``options:`` for this backend."""


@hookspec
def plugrun_adjust_spec(
    container: Container, spec: RuntimeSpec, options: Mapping[str, Any]
) -> None:
    """Change the runtime spec in place before the container is made.

    Called in the order of the profile's ``hooks:`` list; an exception aborts the start.
    """


@hookspec
def plugrun_event(event: Event, options: Mapping[str, Any]) -> None:
    """Observe; an exception is logged and harms nothing."""
