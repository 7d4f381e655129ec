"""The network configuration list: a file of the user's, or one of our own with an own bridge."""

from __future__ import annotations

import _socket
import os

from plugrun.api import ConfigError, NoAddress, filesystem, loads
from plugrun.api import dumps as as_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OWN = "conflist"  # in the state folder, once it is chosen
_POOLS = tuple(f"10.{second}.0.0" for second in range(88, 128))
_POOL_BITS = 16
_HALF = 0x80000000  # the mask of a VPN's route that leads everywhere, in two halves


def read_conflist(path: str) -> dict[str, Any]:
    """Return a conflist; ConfigError if it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = loads(file.read())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from None
    _check(path, found)
    conflist: dict[str, Any] = found
    return conflist


def _check(path: str, found: object) -> None:
    plugins = found.get("plugins") if isinstance(found, dict) else None
    if not isinstance(plugins, list) or not plugins:
        raise ConfigError(f"{path}: a conflist has `plugins`, a list of at least one")
    for plugin in plugins:
        if not isinstance(plugin, dict) or not isinstance(plugin.get("type"), str):
            raise ConfigError(f"{path}: each of `plugins` has a `type`")
    assert isinstance(found, dict)
    for key in ("name", "cniVersion"):
        if not isinstance(found.get(key), str):
            raise ConfigError(f"{path}: `{key}` is missing")


def own_conflist(state: str, tag: str) -> dict[str, Any]:
    """Return the conflist of an own bridge, whose subnet is chosen when it is asked for first."""
    path = f"{state}/{OWN}"
    if not os.path.exists(path):
        filesystem.make_private(state)
        filesystem.write_whole(path, as_text(_bridge(state, tag, _free_pool())).encode())
    return read_conflist(path)


def own_bridge(conflist: dict[str, Any]) -> str:
    """Return the name of the bridge of such a conflist."""
    return str(conflist["plugins"][0]["bridge"])


def _bridge(state: str, tag: str, pool: str) -> dict[str, Any]:
    ipam = {
        "type": "host-local",
        "dataDir": f"{state}/ipam",
        "ranges": [[{"subnet": f"{pool}/{_POOL_BITS}"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": f"cni-{tag}",
        "isGateway": True,
        "ipMasq": True,
        "ipam": ipam,
    }
    return {"cniVersion": "0.4.0", "name": f"plugrun-{tag}", "plugins": [bridge]}


def _free_pool() -> str:
    """Return the first pool that no route of the host leads into."""
    used = list(_routes())
    mask = (1 << (32 - _POOL_BITS)) - 1
    for pool in _POOLS:
        first = int.from_bytes(_socket.inet_aton(pool), "big")
        if not any(first <= end and start <= first | mask for start, end in used):
            return pool
    raise NoAddress(
        f"every subnet from {_POOLS[0]}/{_POOL_BITS} to {_POOLS[-1]}/{_POOL_BITS} overlaps a route",
        hint="write a conflist with another subnet: option `conflist`",
    )


def _routes() -> Iterator[tuple[int, int]]:
    """Yield the first and the last address of each IPv4 route that is no default (proc_net(5))."""
    with open("/proc/thread-self/net/route", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            words = line.split()
            first, mask = (
                int.from_bytes(int(word, 16).to_bytes(4, "little"), "big")
                for word in (words[1], words[7])
            )
            if mask > _HALF:
                yield first, first | (mask ^ 0xFFFFFFFF)
