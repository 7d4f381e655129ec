"""What is wrong about networks: backends that are gone, attachments of the dead, things left."""

from __future__ import annotations

import os

from plugrun.engine.check.findings import found
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import BackendUnavailable, PluginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Act, Found
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.network import Network


def check_networks(engine: Engine) -> Iterator[Found]:
    """Yield networks that cannot be served, and what killed commands left on the host."""
    kept = engine.metadata.networks.all()
    backends = {name: _opened(engine, name) for name in _names(engine)}
    for network in kept:
        if network.driver not in backends:
            backends[network.driver] = _opened(engine, network.driver)
        if backends[network.driver] is None:
            why = f"its backend {network.driver} cannot be used: containers on it do not start"
            remedy = f"install it again, or plugrun network rm {network.name}"
            yield found("network", network.name, why, remedy)
    ids = frozenset(network.id for network in kept)
    for backend in backends.values():
        if backend is not None:
            yield from _attachments(engine, backend)
            yield from _left(backend, ids)


def _attachments(engine: Engine, backend: Network) -> Iterator[Found]:
    dead = [id for id, _ in backend.attached() if not _lives(engine, id)]
    for id in dict.fromkeys(dead):
        why = "it is on a network, and does not run: its address and ports are held"
        yield found("network", f"container {id[:12]}", why, "detach it", _detaching(backend, id))


def _detaching(backend: Network, id: str) -> Act:
    return lambda: backend.detach(id)


def _left(backend: Network, ids: frozenset[str]) -> Iterator[Found]:
    for text in backend.sweep(ids, remove=False):
        why = "a killed command left it on this machine"
        yield found("network", text, why, "remove it", lambda: _sweep(backend, ids))


def _sweep(backend: Network, ids: frozenset[str]) -> None:
    backend.sweep(ids)


def _lives(engine: Engine, id: str) -> bool:
    task = read_task_file(engine.task_folder(id))
    return task is not None and (task.running or task.attended)


def _names(engine: Engine) -> list[str]:
    try:
        return sorted(os.listdir(f"{engine.run_root}/network"))
    except FileNotFoundError:
        return []


def _opened(engine: Engine, name: str) -> Network | None:
    try:
        return engine.network_named(name)
    except (PluginError, BackendUnavailable):
        return None
