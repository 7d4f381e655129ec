"""The server's sockets in a container: at Docker's address, and out of the way of port 53.

A container may well be a DNS server itself. So ours are at ports that the kernel chooses, and
rules in the container's own namespace lead port 53 of this one address there.
"""

from __future__ import annotations

import _socket
import os

from plugrun_network_bridge import nftables as nft
from plugrun_network_bridge.addresses import packed
from plugrun_network_bridge.inside import within
from plugrun_network_bridge.netlink import NETLINK_NETFILTER, Netlink, be16

ADDRESS = "127.0.0.11"
_PORT = 53
_TABLE = "plugrun-dns"
_UDP, _TCP = 17, 6
_FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
_BACKLOG = 16


def open_inside(netns: str, inode: int) -> tuple[_socket.socket, _socket.socket]:
    """Return the sockets for datagrams and for connections in a container's namespace.

    OSError if the namespace at that path is not, or no longer, the one meant.
    """
    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_ino != inode:
            raise FileNotFoundError(f"{netns} is another container's by now")
        return within(fd, _open)
    finally:
        os.close(fd)


def _open() -> tuple[_socket.socket, _socket.socket]:
    datagrams = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _FLAGS)
    connections = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _FLAGS)
    try:
        try:
            _lead(_bound(datagrams, 0), _bound(connections, 0))
        except OSError:
            # Without nf_tables in the container the port must be had itself.
            datagrams.close()
            connections.close()
            datagrams = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _FLAGS)
            connections = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _FLAGS)
            _bound(datagrams, _PORT)
            _bound(connections, _PORT)
        connections.listen(_BACKLOG)
    except BaseException:
        datagrams.close()
        connections.close()
        raise
    return datagrams, connections


def _bound(one: _socket.socket, port: int) -> int:
    one.bind((ADDRESS, port))
    number: int = one.getsockname()[1]
    return number


def _lead(datagrams: int, connections: int) -> None:
    made = [nft.add_table(_TABLE), nft.delete_table(_TABLE), nft.add_table(_TABLE)]
    made.append(nft.add_base_chain(_TABLE, "output", "nat", nft.OUTPUT, nft.DSTNAT))
    for protocol, port in ((_UDP, datagrams), (_TCP, connections)):
        made.append(nft.add_rule(_TABLE, "output", *_rule(protocol, port)))
    with Netlink(NETLINK_NETFILTER) as netlink:
        netlink.batch(made, nft.BEGIN, nft.END)


def _rule(protocol: int, port: int) -> tuple[bytes, ...]:
    family = nft.meta(nft.NFPROTO), nft.is_equal(bytes((nft.IPV4,)))
    address = nft.network_header(16, 4), nft.is_equal(packed(ADDRESS))
    transport = nft.meta(nft.L4PROTO), nft.is_equal(bytes((protocol,)))
    number = nft.destination_port(), nft.is_equal(be16(_PORT))
    target = nft.load(packed(ADDRESS), nft.R0), nft.load(be16(port), nft.R0 + 1)
    nat = nft.destination_nat(nft.IPV4, nft.R0, nft.R0 + 1)
    return (*family, *address, *transport, *number, *target, nat)
