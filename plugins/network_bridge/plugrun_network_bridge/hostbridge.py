"""A network on the host: its bridge, and the switches that forwarding needs.

``/proc/sys/net`` shows the network namespace of whoever looks, as netlink does; ``/sys/class/net``
would show that of whoever mounted it.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import BackendUnavailable, Conflict, InvalidArgument

from plugrun_network_bridge.addresses import (
    address_text,
    mac_of,
    packed,
    packed_mac,
    parse_address,
    parse_block,
)
from plugrun_network_bridge.links import (
    delete_link,
    enslave,
    find_link,
    link_up,
    new_address,
    new_bridge,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from plugrun.api import NetworkConfig, Subnet

    from plugrun_network_bridge.links import Link
    from plugrun_network_bridge.netlink import Netlink

_NAME = "com.docker.network.bridge.name"
_MTU = "com.docker.network.driver.mtu"
_LONGEST = 15  # IFNAMSIZ, without the NUL
_SYSCTL = "/proc/sys/net"


def option(network: NetworkConfig, key: str, usual: str = "") -> str:
    """Return the value of one of a network's options."""
    return dict(network.options).get(key, usual)


def bridge_name(network: NetworkConfig) -> str:
    """Return what the network's bridge is called on the host."""
    name = option(network, _NAME) or f"pr-{network.id[:12]}"
    # The kernel makes pr0 of pr%d; iptables takes br+ for all that begin with br.
    wrong = not name.isascii() or not name.isprintable() or any(c in "/: %+!\"'\\" for c in name)
    if wrong or len(name) > _LONGEST or name in (".", ".."):
        raise InvalidArgument(f"{name!r} is no name for a network interface ({_NAME})")
    return name


def mtu(network: NetworkConfig) -> int:
    """Return the largest packet that was asked for, or 0."""
    text = option(network, _MTU)
    if text and (not text.isascii() or not text.isdigit() or not 68 <= int(text) <= 65535):
        raise InvalidArgument(f"{_MTU}={text}: not a number of bytes from 68 to 65535")
    return int(text or 0)


def find_bridge(netlink: Netlink, network: NetworkConfig, alias: str) -> Link | None:
    """Return the network's bridge, or None; Conflict if the name is another's."""
    name = bridge_name(network)
    try:
        link = find_link(netlink, name)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    if link.alias != alias:
        whose = f" of {link.alias!r}" if link.alias else ""
        hint = f"choose another name with --opt {_NAME}="
        if link.alias.startswith("plugrun "):  # what else there is may be the machine's way out
            hint = f"remove it (ip link delete {name}), or {hint}"
        raise Conflict(
            f'network "{network.name}" cannot have the interface {name}: there is one{whose}',
            hint=hint,
        )
    return link


def make_bridge(netlink: Netlink, network: NetworkConfig, alias: str, ports: Iterable[str]) -> Link:
    """Make the network's bridge with its gateways' addresses, and put interfaces on it."""
    name, gateways = bridge_name(network), _gateways(network)
    mac = packed_mac(_mac(network))
    try:
        netlink.act(*new_bridge(name, alias, mac, mtu(network)))
    except OSError as error:
        raise _refused(error, name) from None
    try:
        link = find_link(netlink, name)
        _quiet(name, v6=any(len(address) == 16 for address, _ in gateways))
        netlink.act(*(new_address(link.index, *gateway) for gateway in gateways), link_up(name))
    except BaseException:
        netlink.act(delete_link(name))
        raise
    for port in ports:
        _put(netlink, port, link.index)
    return link


def _put(netlink: Netlink, port: str, master: int) -> None:
    try:
        netlink.act(enslave(port, master))
    except OSError as error:
        if error.errno != errno.ENODEV:  # its container has ended
            raise


def _refused(error: OSError, name: str) -> Exception:
    if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
        return BackendUnavailable("this kernel has no bridges", hint="modprobe bridge")
    if error.errno in (errno.EPERM, errno.EACCES):
        return BackendUnavailable("this process may not make network interfaces", hint="be root")
    return Conflict(f"the bridge {name} cannot be made: {error.strerror}")


def _gateways(network: NetworkConfig) -> list[tuple[bytes, int]]:
    return [
        (packed(subnet.gateway), parse_block(subnet.cidr).length)
        for subnet in network.subnets
        if subnet.gateway
    ]


def _mac(network: NetworkConfig) -> str:
    """The gateway's MAC stays the same when the bridge is made anew: containers have it cached."""
    for subnet in network.subnets:
        if subnet.gateway and ":" not in subnet.gateway:
            return mac_of(parse_address(subnet.gateway))
    return mac_of(int(network.id[:8], 16))


def _quiet(name: str, *, v6: bool) -> None:
    """Let published ports be had at 127.0.0.1, and take no router's word (CVE-2020-13401).

    Nobody else has the addresses, so that they need not be found out to be free (RFC 4862, 5.4),
    which takes seconds; until then the host could not even ask where a container is.
    """
    switch(f"ipv4/conf/{name}/route_localnet", "1")
    folder = f"{_SYSCTL}/ipv6/conf/{name}"
    if os.path.isdir(folder):
        switch(f"ipv6/conf/{name}/accept_ra", "0")
        switch(f"ipv6/conf/{name}/accept_dad", "0")
        switch(f"ipv6/conf/{name}/disable_ipv6", "0" if v6 else "1")


def switch(path: str, value: str) -> bool:
    """Set a switch under /proc/sys/net if it is not set; say whether it had to be."""
    full = f"{_SYSCTL}/{path}"
    if setting(path) == value:
        return False
    try:
        fd = os.open(full, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        dotted = f"net.{path.replace('/', '.')}"
        raise BackendUnavailable(
            f"{dotted} cannot be set to {value}: {error.strerror}",
            hint=f"let the machine's administrator set it: sysctl -w {dotted}={value}",
        ) from None
    return True


def setting(path: str) -> str:
    """Return a switch's value; empty if the kernel has none."""
    try:
        fd = os.open(f"{_SYSCTL}/{path}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        return os.read(fd, 64).decode().strip()
    finally:
        os.close(fd)


def forward(network: NetworkConfig) -> list[str]:
    """Let the host pass packets on, as far as the network needs it; return what was off."""
    switched = ["net.ipv4.ip_forward"] if switch("ipv4/ip_forward", "1") else []
    if any(":" in subnet.cidr for subnet in network.subnets) and _forward_v6():
        switched.append("net.ipv6.conf.all.forwarding")
    return switched


def switched_off(network: NetworkConfig) -> list[str]:
    """Return the switches that ``forward`` would set."""
    wanted = ["ipv4/ip_forward"]
    if any(":" in subnet.cidr for subnet in network.subnets):
        wanted.append("ipv6/conf/all/forwarding")
    return [f"net.{path.replace('/', '.')}" for path in wanted if setting(path) != "1"]


def _forward_v6() -> bool:
    """Interfaces that live on routers' announcements must go on to believe them (ip-sysctl)."""
    if setting("ipv6/conf/all/forwarding") == "1":
        return False
    for name in os.listdir(f"{_SYSCTL}/ipv6/conf"):
        if name != "all" and setting(f"ipv6/conf/{name}/accept_ra") == "1":
            switch(f"ipv6/conf/{name}/accept_ra", "2")
    return switch("ipv6/conf/all/forwarding", "1")


def cidr(address: str, subnet: Subnet) -> str:
    """Return an address with the length of its subnet's prefix."""
    block = parse_block(subnet.cidr)
    return f"{address_text(parse_address(address), v6=block.v6)}/{block.length}"
