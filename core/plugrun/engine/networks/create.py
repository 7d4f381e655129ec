"""``network create``: a network of one's own."""

from __future__ import annotations

import os
import time

from plugrun.engine.networks.find import LOCK
from plugrun.errors import AlreadyExists, InvalidArgument, PluginError
from plugrun.interfaces.network import NETWORKS
from plugrun.model.network import BRIDGE, DEFAULT, HOST, NONE, NetworkConfig
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine
    from plugrun.interfaces.network import Network

PREDEFINED = (BRIDGE, DEFAULT, HOST, NONE)
_SINGLE = ("host", "null")
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LATER = _FIRST | frozenset("_.-")


def create_network(engine: Engine, wanted: NetworkConfig) -> NetworkConfig:
    """Make the network that is ``wanted``, complete it and return it.

    Its ID and time are filled in; an empty driver is the profile's. Raise InvalidArgument,
    AlreadyExists, or Conflict if its addresses are taken.
    """
    _check_name(wanted.name)
    driver = wanted.driver or engine.network_choice().name
    if driver in _SINGLE:
        raise InvalidArgument(f'only one instance of "{driver}" network is allowed')
    backend = _backend(engine, driver)
    asked = replace(wanted, id=os.urandom(32).hex(), driver=driver, created_ns=time.time_ns())
    table = engine.metadata.networks
    with engine.locks.exclusive(LOCK):
        if table.named(asked.name) is not None:
            raise AlreadyExists(f"network with name {asked.name} already exists")
        made = backend.create(asked, table.all())
        table.add(made)
    engine.emit("network", "create", made.id, {"name": made.name, "type": driver})
    return made


def _check_name(name: str) -> None:
    if name in PREDEFINED:
        raise InvalidArgument(f"operation is not permitted on predefined {name} network")
    if not name.strip():
        raise InvalidArgument("invalid name: name is empty")
    if name[0] not in _FIRST or not _LATER.issuperset(name):
        raise InvalidArgument(
            f'invalid name: "{name}": only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed'
        )


def _backend(engine: Engine, driver: str) -> Network:
    try:
        backend = engine.network_named(driver)
    except PluginError as error:
        why = f"{error.message}; {error.hint}" if error.hint else error.message
        raise InvalidArgument(f'plugin "{driver}" not found', hint=why) from None
    if NETWORKS not in backend.capabilities:
        raise InvalidArgument(
            f"the network backend {driver} has one network, and makes no others",
            hint="choose another with --driver, or as `network:` of the profile (plugrun plugins)",
        )
    return backend
