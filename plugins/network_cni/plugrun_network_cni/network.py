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
    PORTS,
    Attachment,
    BackendUnavailable,
    ConfigError,
    Conflict,
    InvalidArgument,
    PlugrunError,
    Port,
    Probe,
    as_json,
    dumps,
    filesystem,
    from_json,
    hostports,
    loads,
    mounting,
    process,
    replace,
)

from plugrun_network_cni.bridges import bridge_is_there, delete_bridge
from plugrun_network_cni.calling import Call, call_plugin, find_plugin
from plugrun_network_cni.conflist import OWN, own_bridge, own_conflist, read_conflist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from plugrun.api import Endpoint, NetworkConfig

_EVERY = ("", "0.0.0.0")  # noqa: S104
_NS_GET_NSTYPE = 0xB703
_ID_LENGTH = 64 + 1 + 12  # a container's ID, and of the network's as much as is usually shown


class CniNetwork:
    """The one network that a conflist describes."""

    def __init__(self, state: str, conflist: str, folders: str) -> None:
        self._state, self._path, self._folders = state, conflist, folders
        self._records, self._namespaces = f"{state}/attachments", f"{state}/netns"

    @property
    def capabilities(self) -> frozenset[str]:
        """What the conflist lets it do: ports are published by a plugin that takes portMappings."""
        common = frozenset((OUTBOUND, CONNECT))
        if not self._path:
            return common
        try:
            plugins = read_conflist(self._path)["plugins"]
        except ConfigError:
            return common  # the probe tells
        return common | {PORTS} if any(map(_takes_ports, plugins)) else common

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
            self._drop_bridge()

    def _drop_bridge(self) -> None:
        """Remove an own bridge that nobody is on; the next one's subnet is chosen anew.

        The bridge goes first: whoever is killed in between leaves what says that there may be one.
        """
        if self._is_idle():
            delete_bridge(own_bridge(self._conflist()))
            filesystem.unlink(f"{self._state}/{OWN}")

    def _is_idle(self) -> bool:
        """Whether an own bridge has been chosen, and nobody is on it."""
        chosen = not self._path and os.path.exists(f"{self._state}/{OWN}")
        return chosen and not list(self.attached())

    def _idle_bridge(self) -> str:
        """Return the own bridge that is there and that nobody is on; empty if there is none."""
        name = own_bridge(self._conflist()) if self._is_idle() else ""
        return name if name and bridge_is_there(name) else ""

    def attach(self, endpoint: Endpoint, netns: str) -> Attachment:
        """Call each plugin's ADD in order; if one fails, DEL of all."""
        self._check(endpoint)
        with self._locked():
            key = f"{endpoint.container_id}-{endpoint.network.id}"
            if os.path.exists(f"{self._records}/{key}"):
                if self._is_same(key, netns):
                    raise Conflict(
                        f"container {endpoint.container_id[:12]} is attached to it already"
                    )
                self._detach(endpoint.container_id, endpoint.network.id)
            self._drop_bridge()  # what one who was killed left of the last one's end
            return self._attach(endpoint, netns, key)

    def _check(self, endpoint: Endpoint) -> None:
        """Refuse what the conflist alone decides, or does not have."""
        what = f'network "{endpoint.network.name}" is made by CNI plugins: '
        if endpoint.ipv4 or endpoint.ipv6 or endpoint.mac:
            raise InvalidArgument(f"{what}it chooses addresses itself")
        if endpoint.ports and PORTS not in self.capabilities:
            raise InvalidArgument(
                f"{what}it publishes no ports",
                hint="add to the conflist a plugin with the capability portMappings (portmap)",
            )

    def _attach(self, endpoint: Endpoint, netns: str, key: str) -> Attachment:
        conflist, reserved = self._conflist(), self._reserve(endpoint.ports)
        kept: dict[str, Any] = {"interface": endpoint.interface, "conflist": conflist}
        kept["ports"] = [as_json(port) for port in reserved.ports]
        try:
            self._write(key, kept)
            self._keep_namespace(key, netns)
            kept["result"] = self._add(kept, self._call(key, kept))
            self._write(key, kept)
        except BaseException:
            reserved.give_back()
            self._detach(endpoint.container_id, endpoint.network.id)
            self._drop_bridge()
            raise
        attachment = _attachment(endpoint, kept["result"])
        return replace(attachment, ports=reserved.ports, held=reserved.sockets)

    def _write(self, key: str, kept: dict[str, Any]) -> None:
        filesystem.make_private(self._records)
        filesystem.write_whole(f"{self._records}/{key}", dumps(kept).encode())

    def _reserve(self, ports: tuple[Port, ...]) -> hostports.Reserved:
        """Reserve ports of the host, which portmap does not; Conflict for one that is taken."""
        had = [port for name in _names(self._records) for port in _ports(self._read(name))]
        taken = hostports.find_taken(ports, had)
        if taken is not None and not any(port.host_port_end for port in ports):
            raise hostports.allocated(*taken)
        reserved = hostports.reserve(ports, "", v6=False)
        taken = hostports.find_taken(reserved.ports, had)
        if taken is not None:
            reserved.give_back()
            raise hostports.allocated(*taken)
        return reserved

    def _read(self, key: str) -> dict[str, Any]:
        with open(f"{self._records}/{key}", encoding="utf-8") as file:
            kept: dict[str, Any] = loads(file.read())
        return kept

    def _add(self, kept: dict[str, Any], call: Call) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for plugin in kept["conflist"]["plugins"]:
            configuration = _configuration(kept, plugin, result)
            result = call_plugin("ADD", call, configuration, self._folders)
        return result

    def detach(self, container_id: str, network_id: str = "") -> None:
        """Call each plugin's DEL, in the other order; then let the namespace go."""
        with self._locked():
            for holder, attached_to in list(self.attached()):
                if holder == container_id and network_id in ("", attached_to):
                    self._detach(container_id, attached_to)
            self._drop_bridge()

    def _detach(self, container_id: str, network_id: str) -> None:
        key = f"{container_id}-{network_id}"
        try:
            kept = self._read(key)
        except FileNotFoundError:
            return  # it was not even written
        call = self._call(key, kept)
        for plugin in reversed(kept["conflist"]["plugins"]):
            configuration = _configuration(kept, plugin, kept.get("result") or {})
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
            idle = self._idle_bridge()
            if remove:
                for name in strays:
                    self._drop_namespace(name)
                self._drop_bridge()
        said = [f"the network namespace of {name[:12]}, which has ended" for name in strays]
        return (*said, *[f"bridge {idle} that nobody is on"] * bool(idle))

    def mend(self, *, act: bool = True) -> tuple[str, ...]:
        """Find nothing: what plugins made is theirs to look after."""
        return ()

    def overlaps(self, network: NetworkConfig) -> tuple[str, ...]:
        """Find nothing: an own bridge's subnet is chosen anew whenever nobody is on it."""
        return ()

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
    kept: dict[str, Any], plugin: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    """Return what one plugin gets on stdin: its own part, and what came out before it."""
    conflist = kept["conflist"]
    made = {**plugin, "cniVersion": conflist["cniVersion"], "name": conflist["name"]}
    if result:
        made["prevResult"] = result
    if _takes_ports(plugin) and kept.get("ports"):
        made["runtimeConfig"] = {"portMappings": [_mapping(port) for port in _ports(kept)]}
    return made


def _takes_ports(plugin: dict[str, Any]) -> bool:
    """Whether a plugin is to be told of ports (CNI's CONVENTIONS.md)."""
    said = plugin.get("capabilities")
    return isinstance(said, dict) and said.get("portMappings") is True


def _ports(kept: dict[str, Any]) -> list[Port]:
    return [from_json(Port, port) for port in kept.get("ports", [])]


def _mapping(port: Port) -> dict[str, Any]:
    made = {"hostPort": port.host_port, "containerPort": port.port, "protocol": port.protocol}
    return made if port.host_address in _EVERY else {**made, "hostIP": port.host_address}


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
