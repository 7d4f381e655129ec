"""``network connect`` and ``disconnect``, of containers that run and of those that do not."""

from __future__ import annotations

import os
import sys

from plugrun.engine.attaching.holding import hand_over, release
from plugrun.engine.containers import find_container, is_running
from plugrun.engine.ending import wait_monitor
from plugrun.engine.networks.attach import attach_one, endpoint_of, tell
from plugrun.engine.networks.attached import (
    AttachedTask,
    note_joined,
    read_attached,
    write_attached,
)
from plugrun.engine.networks.decide import check_ports, decided_endpoint
from plugrun.engine.networks.etcfiles import resolv_text, rewrite_names
from plugrun.engine.networks.find import find_network, is_kept
from plugrun.engine.networks.leading import led_elsewhere
from plugrun.engine.networks.ports import published
from plugrun.engine.taskfile import read_task_file, serve_lock
from plugrun.errors import Conflict, InvalidArgument, NoSuchContainer, NoSuchNetwork
from plugrun.interfaces.network import CONNECT
from plugrun.model.network import DEFAULT, HOST, NONE, OF_CONTAINER
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.model.container import Container
    from plugrun.model.network import EndpointConfig, NetworkConfig
    from plugrun.store.locks import Lock

_GLANCE = 0.02  # seconds
_HOST_ONLY = "container cannot be disconnected from host network or connected to host network"
_SHARING = (
    "container sharing network namespace with another container or host cannot be connected to "
    "any other network"
)
_PRIVATE = (
    "container cannot be connected to multiple networks with one of the networks in private "
    "(none) mode"
)


def connect(engine: Engine, text: str, asked: EndpointConfig) -> None:
    """Put a container on one more network, which ``asked`` names; at once if it runs.

    Its ports are published there if it was on none that leads out. Raise NoSuchContainer,
    NoSuchNetwork, Conflict if it is on it already or if a port is taken, InvalidArgument for what
    the network cannot give.
    """
    container = find_container(engine, text)
    network = find_network(engine, asked.name)
    with _still(engine, container):
        container = _present(engine, container)
        _check(container, network)
        endpoint = decided_endpoint(engine, asked, network)
        if is_kept(network.id):
            engine.metadata.networks.join(container.id, network.id)
        try:
            if is_running(engine, container.id):
                _connect_running(engine, container, endpoint, network)
            _change(engine, container.id, (*container.endpoints, endpoint))
        except BaseException:
            engine.metadata.networks.leave(container.id, network.id)
            raise


def _connect_running(
    engine: Engine, container: Container, asked: EndpointConfig, network: NetworkConfig
) -> None:
    backend = engine.network_named(network.driver)
    if CONNECT not in backend.capabilities:
        raise InvalidArgument(
            f"the network backend {network.driver} joins no container that runs",
            hint=f"stop {container.name} first",
        )
    before = _without(read_attached(engine, container.id) or _alone(container), network.id)
    backend.detach(container.id, network.id)  # what a connect that was killed left
    leads = before.leads in ("", network.id) and not network.internal
    ports = published(container) if leads else ()
    if ports:
        check_ports(engine, network)
        release(engine, container.id)  # what that connect had it keep
    endpoint = endpoint_of(container, asked, network, _free_interface(before), leads, ports)
    note_joined(engine, container.id, network.driver)
    one = attach_one(engine, container, endpoint, _netns(engine, container))
    _warn(one.attachment.warnings)
    try:
        hand_over(engine, container.id, one.attachment.held)
        now = replace(before, endpoints=(*before.endpoints, one))
        now = replace(now, leads=network.id) if leads else now
        write_attached(engine, container.id, rewrite_names(engine, container, before, now))
    except BaseException:
        backend.detach(container.id, network.id)
        raise
    tell(engine, "connect", container, one)


def _alone(container: Container) -> AttachedTask:
    """Return the networks of a container that has been on none since its start."""
    alone = AttachedTask(os.urandom(32).hex())
    return replace(alone, resolv=resolv_text(container, alone))


def _warn(warnings: tuple[str, ...]) -> None:
    for text in warnings:
        sys.stderr.write(f"WARNING: {text}\n")


def _netns(engine: Engine, container: Container) -> str:
    task = read_task_file(engine.task_folder(container.id))
    return f"/proc/{task.pid if task else 0}/ns/net"


def disconnect(engine: Engine, network_text: str, text: str) -> None:
    """Take a container off a network, at once if it runs.

    Raise NoSuchContainer, NoSuchNetwork, Conflict if it is not on it.
    """
    container = find_container(engine, text)
    id, name = _left(engine, container, network_text)
    with _still(engine, container):
        container = _present(engine, container)
        if name == container.network == NONE:
            _leave_none(engine, container.id)
            return
        gone = next((one for one in container.endpoints if one.network == id), None)
        if gone is None:
            raise Conflict(f"container {container.id} is not connected to network {name}")
        if is_running(engine, container.id):
            _disconnect_running(engine, container, gone)
        _change(
            engine, container.id, tuple([one for one in container.endpoints if one.network != id])
        )
        engine.metadata.networks.leave(container.id, id)


def _leave_none(engine: Engine, id: str) -> None:
    """Let a container that was to be on no network be connected with others."""
    engine.metadata.change_container(id, lambda one: replace(one, network=DEFAULT))


def _left(engine: Engine, container: Container, text: str) -> tuple[str, str]:
    """Return ID and name of a network; one that was removed is known to who was on it."""
    try:
        network = find_network(engine, text)
    except NoSuchNetwork:
        for one in container.endpoints:
            if text in (one.name, one.network):
                return one.network, one.name
        raise
    if network.name == HOST:
        raise Conflict(_HOST_ONLY)
    return network.id, network.name


def _disconnect_running(engine: Engine, container: Container, gone: EndpointConfig) -> None:
    backend = engine.network_named(gone.driver)
    if CONNECT not in backend.capabilities:
        raise InvalidArgument(
            f"the network backend {gone.driver} takes no container that runs off its network",
            hint=f"stop {container.name} first",
        )
    backend.detach(container.id, gone.network)
    before = read_attached(engine, container.id)
    if before is None:
        return
    now = _without(before, gone.network)
    if gone.network == before.leads:
        release(engine, container.id)
        now, one = led_elsewhere(engine, container, now, _netns(engine, container))
        if one is not None:
            hand_over(engine, container.id, one.attachment.held)
            _warn(one.attachment.warnings)
    write_attached(engine, container.id, rewrite_names(engine, container, before, now))
    for one in before.endpoints:
        if one.network == gone.network:
            tell(engine, "disconnect", container, one)


def _without(attached: AttachedTask, network: str) -> AttachedTask:
    left = tuple([one for one in attached.endpoints if one.network != network])
    return replace(attached, endpoints=left)


def _free_interface(attached: AttachedTask) -> str:
    taken = {one.attachment.interface for one in attached.endpoints}
    return next(name for name in map("eth{}".format, range(len(taken) + 1)) if name not in taken)


def _check(container: Container, network: NetworkConfig) -> None:
    if container.network == HOST or container.network.startswith(OF_CONTAINER):
        raise Conflict(_SHARING)
    if network.name == HOST:
        raise Conflict(_HOST_ONLY)
    if any(one.network == network.id for one in container.endpoints):
        raise Conflict(
            f"endpoint with name {container.name} already exists in network {network.name}"
        )
    if NONE in (network.name, container.network):
        raise Conflict(_PRIVATE)


def _still(engine: Engine, container: Container) -> Lock:
    """Keep a container from being started; wait for who starts it, or cleans up after it."""
    while True:
        lock = engine.locks.exclusive(serve_lock(container.id))
        task = read_task_file(engine.task_folder(container.id))
        if task is None or task.running or task.restarting or not task.attended:
            return lock
        lock.release()
        wait_monitor(task, _GLANCE)


def _present(engine: Engine, container: Container) -> Container:
    found = engine.metadata.container(container.id)
    if found is None:
        raise NoSuchContainer(f"No such container: {container.name}")
    return found


def _change(engine: Engine, id: str, endpoints: tuple[EndpointConfig, ...]) -> None:
    engine.metadata.change_container(id, lambda one: replace(one, endpoints=endpoints))
