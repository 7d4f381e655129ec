"""What is wrong about networks: backends that are gone, attachments of the dead, things left."""

from __future__ import annotations

import os

from plugrun.engine.check.findings import found
from plugrun.engine.networks.subnets import give_other_subnets
from plugrun.engine.taskfile import read_task_file
from plugrun.errors import BackendUnavailable, PluginError
from plugrun.model.network import BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.check.findings import Act, Found
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.network import Network
    from plugrun.model.network import NetworkConfig


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
            continue
        yield from _overlaps(engine, backends[network.driver], network)
    ids = frozenset(network.id for network in kept)
    for backend in backends.values():
        if backend is not None:
            yield from _attachments(engine, backend)
            yield from _left(backend, ids)
            yield from _lost(backend)


def _overlaps(engine: Engine, backend: Network | None, network: NetworkConfig) -> Iterator[Found]:
    for text in backend.overlaps(network) if backend is not None else ():
        where = f"{network.name}: {text}"
        why = "what is behind the one is not reached from the other"
        if network.name == BRIDGE:
            remedy = "give it another subnet, while no container that runs is on it"
            yield found("network", where, why, remedy, lambda: give_other_subnets(engine, network))
        else:
            remedy = f"take that away; or plugrun network rm {network.name}, and create it again"
            yield found("network", where, why, remedy)


def _lost(backend: Network) -> Iterator[Found]:
    for text in backend.mend(act=False):
        why = "somebody took it away from containers that run"
        yield found("network", text, why, "make it again", lambda: _mend(backend))


def _mend(backend: Network) -> None:
    backend.mend()


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
