"""Networks by name, ID or the start of an ID, and those that are always there.

``none`` and ``host`` are nobody's to serve and are not kept. The default network, ``bridge``, is
made when it is first asked for, by the backend that the profile comes down to.
"""

from __future__ import annotations

import os
import time

from plugrun.errors import Conflict, NoSuchNetwork
from plugrun.interfaces.network import NETWORKS
from plugrun.model.network import BRIDGE, DEFAULT, HOST, NONE, NetworkConfig
from plugrun.model.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.engine.engine import Engine

# Held while networks are made and removed, so that subnets are chosen one after another.
LOCK = "networks"
_HEX = frozenset("0123456789abcdef")
# Two engines on one machine can have each a bridge of this name in their lists, but not on the
# host: it is the one root's that everybody has.
_USUAL_ROOT = "/var/lib/plugrun"
_USUAL_BRIDGE = (("com.docker.network.bridge.name", "plugrun0"),)
_DRIVERS = {NONE: "null", HOST: "host"}


def fixed_id(name: str) -> str:
    """Return the ID of a network that is not kept: its name, spelled out in hexadecimal."""
    return name.encode().hex().ljust(64, "0")


def fixed_network(name: str) -> NetworkConfig:
    """Return ``none`` or ``host``."""
    return NetworkConfig(fixed_id(name), name, _DRIVERS[name])


def sole_network(driver: str) -> NetworkConfig:
    """Return the default network of a backend that has but one, which is not kept."""
    return NetworkConfig(fixed_id(BRIDGE), BRIDGE, driver)


def is_kept(id: str) -> bool:
    """Whether the database has a network of this ID, if there is one."""
    return id not in (fixed_id(BRIDGE), fixed_id(NONE), fixed_id(HOST))


def find_network(engine: Engine, text: str) -> NetworkConfig:
    """Return the network that a user means: full ID, then name, then the start of an ID."""
    if text in (BRIDGE, DEFAULT):
        return default_network(engine)
    if text in (NONE, HOST):
        return fixed_network(text)
    table = engine.metadata.networks
    found = table.get(text) or table.named(text)
    if found is not None:
        return found
    if text and _HEX.issuperset(text):
        matches = table.by_prefix(text)
        matches += [one for one in _fixed(engine) if one.id.startswith(text)]
        if len(matches) > 1:
            raise Conflict(
                f"network {text} is ambiguous ({len(matches)} matches found based on ID prefix)"
            )
        if matches:
            return matches[0]
    raise NoSuchNetwork(f"network {text} not found", hint="plugrun network ls lists all")


def _fixed(engine: Engine) -> list[NetworkConfig]:
    one = default_network(engine)
    kept = () if is_kept(one.id) else (one,)
    return [*kept, fixed_network(HOST), fixed_network(NONE)]


def all_networks(engine: Engine) -> list[NetworkConfig]:
    """Return all networks, by name; those that are always there among them."""
    found = {one.id: one for one in (*_fixed(engine), *engine.metadata.networks.all())}
    return sorted(found.values(), key=lambda one: one.name)


def default_network(engine: Engine) -> NetworkConfig:
    """Return the network of containers that name none; it is made if it is not there."""
    driver = engine.network_choice().name
    found = engine.metadata.networks.named(BRIDGE)
    if found is not None and found.driver == driver:
        return found
    if NETWORKS not in engine.network_named(driver).capabilities:
        return sole_network(driver)
    with engine.locks.exclusive(LOCK):
        return _make_default(engine, driver)


def _make_default(engine: Engine, driver: str) -> NetworkConfig:
    """Make it; one that another backend serves goes, unless somebody is on it."""
    table = engine.metadata.networks
    found = table.named(BRIDGE)
    if found is not None:
        if found.driver == driver:
            return found
        _drop_default(engine, found)
    options = _USUAL_BRIDGE if engine.root == _USUAL_ROOT else ()
    asked = NetworkConfig(
        os.urandom(32).hex(), BRIDGE, driver, created_ns=time.time_ns(), options=options
    )
    made = engine.network_named(driver).create(asked, table.all())
    made = replace(made, id=asked.id, name=BRIDGE, driver=driver)
    table.add(made)
    return made


def _drop_default(engine: Engine, network: NetworkConfig) -> None:
    from plugrun.engine.networks.remove import drop

    try:
        drop(engine, network)
    except Conflict as error:
        raise Conflict(
            f"the default network is served by {network.driver}, not by what the profile says: "
            f"{error.message}",
            hint="stop the containers on it (plugrun ps --filter network=bridge), and try again",
        ) from None
