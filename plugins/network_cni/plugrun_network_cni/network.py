"""The verbs of the interface, by ADD and DEL.

A plugin must find a container's namespace when it cleans up, so the namespace is kept by a bind
mount in the state folder until ``detach``, as CNI's other callers do. A record of an attachment is
written before its plugins are called, so that whatever a kill leaves is found.
"""

from __future__ import annotations

import errno
import fcntl
import os
from binascii import crc32

from plugrun.api import (
    CONNECT,
    OUTBOUND,
    Attachment,
    BackendUnavailable,
    ConfigError,
    Conflict,
    InvalidArgument,
    PlugrunError,
    Probe,
    dumps,
    filesystem,
    loads,
    mounting,
    process,
)

from plugrun_network_cni.calling import Call, call_plugin, find_plugin
from plugrun_network_cni.conflist import own_bridge, own_conflist, read_conflist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from plugrun.api import Endpoint, NetworkConfig

_NS_GET_NSTYPE = 0xB703
_ID_LENGTH = 64 + 1 + 12  # a container's ID, and of the network's as much as is usually shown


class CniNetwork:
    """The one network that a conflist describes."""

    capabilities = frozenset((OUTBOUND, CONNECT))

    def __init__(self, state: str, conflist: str, folders: str) -> None:
        self._state, self._path, self._folders = state, conflist, folders
        self._records, self._namespaces = f"{state}/attachments", f"{state}/netns"

    def probe(self) -> Probe:
        """Say whether all plugins of the conflist are there."""
        if os.geteuid() != 0:
            return Probe(False, "CNI plugins need root", "run it as root")
        try:
            kinds = _kinds(read_conflist(self._path)) if self._path else ["bridge", "host-local"]
            found = [find_plugin(kind, self._folders) for kind in kinds]
        except (BackendUnavailable, ConfigError) as error:
            return Probe(False, error.message, error.hint)
        return Probe(True, details=(("plugins", " ".join(found)),))

    def create(self, network: NetworkConfig, others: Sequence[NetworkConfig] = ()) -> NetworkConfig:
        """Return it as it is: the conflist has decided all that a network is."""
        if network.subnets or network.internal or network.ipv6:
            raise InvalidArgument("subnets and kinds of CNI networks stand in their conflist")
        return network

    def remove(self, network: NetworkConfig) -> None:
        """Let go of all that is attached; the last one's end is that of an own bridge, too."""
        with self._locked():
            for container_id, network_id in list(self.attached()):
                if network_id == network.id:
                    self._detach(container_id, network_id)
            if not self._path and os.path.exists(f"{self._state}/conflist"):
                self._remove_bridge()

    def _remove_bridge(self) -> None:
        from pyroute2 import IPRoute

        if list(self.attached()):
            return
        with IPRoute() as host:
            for index in host.link_lookup(ifname=own_bridge(self._conflist())):
                host.link("del", index=index)

    def attach(self, endpoint: Endpoint, netns: str) -> Attachment:
        """Call each plugin's ADD in order; if one fails, DEL of all."""
        if endpoint.ports or endpoint.ipv4 or endpoint.ipv6 or endpoint.mac:
            raise InvalidArgument(
                f'network "{endpoint.network.name}" is made by CNI plugins: '
                "it publishes no ports and chooses addresses itself"
            )
        with self._locked():
            key = f"{endpoint.container_id}-{endpoint.network.id}"
            if os.path.exists(f"{self._records}/{key}"):
                if self._is_same(key, netns):
                    raise Conflict(
                        f"container {endpoint.container_id[:12]} is attached to it already"
                    )
                self._detach(endpoint.container_id, endpoint.network.id)
            return self._attach(endpoint, netns, key)

    def _attach(self, endpoint: Endpoint, netns: str, key: str) -> Attachment:
        conflist = self._conflist()
        filesystem.make_private(self._records)
        kept: dict[str, Any] = {"interface": endpoint.interface, "conflist": conflist}
        filesystem.write_whole(f"{self._records}/{key}", dumps(kept).encode())
        try:
            self._keep_namespace(key, netns)
            result = self._add(conflist, self._call(key, kept))
        except BaseException:
            self._detach(endpoint.container_id, endpoint.network.id)
            raise
        kept["result"] = result
        filesystem.write_whole(f"{self._records}/{key}", dumps(kept).encode())
        return _attachment(endpoint, result)

    def _add(self, conflist: dict[str, Any], call: Call) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for plugin in conflist["plugins"]:
            configuration = _configuration(conflist, plugin, result)
            result = call_plugin("ADD", call, configuration, self._folders)
        return result

    def detach(self, container_id: str, network_id: str = "") -> None:
        """Call each plugin's DEL, in the other order; then let the namespace go."""
        with self._locked():
            for holder, attached_to in list(self.attached()):
                if holder == container_id and network_id in ("", attached_to):
                    self._detach(container_id, attached_to)

    def _detach(self, container_id: str, network_id: str) -> None:
        key = f"{container_id}-{network_id}"
        with open(f"{self._records}/{key}", encoding="utf-8") as file:
            kept = loads(file.read())
        conflist, call = kept["conflist"], self._call(key, kept)
        for plugin in reversed(conflist["plugins"]):
            configuration = _configuration(conflist, plugin, kept.get("result") or {})
            call_plugin("DEL", call, configuration, self._folders)
        self._drop_namespace(key)
        filesystem.unlink(f"{self._records}/{key}")

    def rename(self, endpoint: Endpoint) -> None:
        """Tell nobody: no names are served."""

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield the container and the network ID of every record."""
        for name in _names(self._records):
            container_id, _, network_id = name.partition("-")
            yield container_id, network_id

    def sweep(self, networks: frozenset[str], *, remove: bool = True) -> tuple[str, ...]:
        """Let namespaces go that no attachment stands for."""
        with self._locked():
            known = frozenset(_names(self._records))
            strays = [name for name in _names(self._namespaces) if name not in known]
            if remove:
                for name in strays:
                    self._drop_namespace(name)
        return tuple([f"the network namespace of {name[:12]}, which has ended" for name in strays])

    def _conflist(self) -> dict[str, Any]:
        if self._path:
            return read_conflist(self._path)
        return own_conflist(self._state, f"{crc32(os.fsencode(self._state)):08x}")

    def _call(self, key: str, kept: dict[str, Any]) -> Call:
        """Plugins name things after a container alone, which may be attached more than once."""
        path = f"{self._namespaces}/{key}"
        netns = path if _is_namespace(path) else ""
        return Call(key[:_ID_LENGTH], netns, kept["interface"])

    def _keep_namespace(self, key: str, netns: str) -> None:
        filesystem.make_private(self._namespaces)
        if not _is_namespace(netns):
            raise PlugrunError(f"{netns} is no network namespace")
        path = f"{self._namespaces}/{key}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        mounting.mount(netns, path, "", mounting.MS_BIND)

    def _drop_namespace(self, key: str) -> None:
        path = f"{self._namespaces}/{key}"
        try:
            mounting.umount(path, mounting.MNT_DETACH)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):  # it is not mounted
                raise
        filesystem.unlink(path)

    def _is_same(self, key: str, netns: str) -> bool:
        try:
            return os.path.samefile(f"{self._namespaces}/{key}", netns)
        except FileNotFoundError:
            return False

    def _locked(self) -> _Held:
        filesystem.make_private(self._state)
        return _Held(f"{self._state}/lock")


class _Held:
    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _kinds(conflist: dict[str, Any]) -> list[str]:
    plugins = conflist["plugins"]
    ipams = [plugin["ipam"]["type"] for plugin in plugins if plugin.get("ipam", {}).get("type")]
    return [plugin["type"] for plugin in plugins] + ipams


def _configuration(
    conflist: dict[str, Any], plugin: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    """Return what one plugin gets on stdin: its own part, and what came out before it."""
    common = {"cniVersion": conflist["cniVersion"], "name": conflist["name"]}
    return {**plugin, **common, **({"prevResult": result} if result else {})}


def _attachment(endpoint: Endpoint, result: dict[str, Any]) -> Attachment:
    interfaces = result.get("interfaces") or []
    inside = [one for one in interfaces if one.get("sandbox")]
    addresses = tuple(str(one["address"]) for one in result.get("ips") or [])
    gateways = tuple(str(one["gateway"]) for one in result.get("ips") or [] if one.get("gateway"))
    mac = str(inside[0].get("mac", "")) if inside else ""
    return Attachment(endpoint.interface, mac, addresses, gateways)


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if ".tmp-" not in name]
    except FileNotFoundError:
        return []


def _is_namespace(path: str) -> bool:
    """Whether a network namespace is to be had there (ioctl_ns(2))."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == process.CLONE_NEWNET
    except OSError:
        return False
    finally:
        os.close(fd)
