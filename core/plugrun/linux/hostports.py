"""Ports of the host: reserved by sockets that are bound and never listen.

So a port is one container's, whatever asks for it: other containers, other engines, any program.
The rules lead packets away before a socket would see them.
"""

from __future__ import annotations

import _socket
import errno
import os

from plugrun.errors import Conflict, InvalidArgument
from plugrun.linux.addresses import version
from plugrun.model.network import Port
from plugrun.model.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_EVERY4, _EVERY6, _LOOPBACK6 = "0.0.0.0", "::", "::1"  # noqa: S104
_SCTP = 132
_KINDS = {
    "tcp": (_socket.SOCK_STREAM, _socket.IPPROTO_TCP),
    "udp": (_socket.SOCK_DGRAM, _socket.IPPROTO_UDP),
    "sctp": (_socket.SOCK_STREAM, _SCTP),
}
_TRIES = 64  # of ports that were free for IPv4 and are not for IPv6
_NO_PROTOCOL = (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EAFNOSUPPORT)


@record
class Reserved:
    """Ports that a container has, and the sockets that hold them; -1 where the kernel has none."""

    ports: tuple[Port, ...]
    sockets: tuple[int, ...]

    def give_back(self) -> None:
        """Close the sockets."""
        for fd in self.sockets:
            os.close(fd)


def reserve(ports: Iterable[Port], usual: str, *, v6: bool) -> Reserved:
    """Reserve what is asked for, all or nothing; Conflict for what is taken.

    ``usual`` is the address for those that name none; without it they get every one, of IPv6
    too if the container has that (``v6``).
    """
    got: list[Port] = []
    sockets: list[_socket.socket] = []
    try:
        for port in ports:
            given, held = _reserve(port, _hosts(port, usual, v6=v6))
            got += given
            sockets += held
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return Reserved(tuple(got), tuple([one.detach() for one in sockets]))


def is_v6(address: str) -> bool:
    """Whether an address, if it is one, is of IPv6."""
    return ":" in address


def _hosts(port: Port, usual: str, *, v6: bool) -> tuple[str, ...]:
    if port.protocol not in _KINDS:
        raise InvalidArgument(f"invalid proto: {port.protocol}")
    asked = port.host_address or usual
    if not asked:
        return (_EVERY4, _EVERY6) if v6 else (_EVERY4,)
    if is_v6(asked) and not v6:
        raise InvalidArgument(
            f"port {port.port}/{port.protocol} cannot be published at [{asked}]: "
            "the container has no IPv6 address",
            hint="connect it to a network that was created with --ipv6",
        )
    if asked == _LOOPBACK6:
        raise InvalidArgument(
            f"port {port.port}/{port.protocol} cannot be published at [::1]: "
            "the kernel leads nobody from there to another host",
            hint="publish it at 127.0.0.1",
        )
    return (asked,)


def _reserve(port: Port, hosts: tuple[str, ...]) -> tuple[list[Port], list[_socket.socket]]:
    last = max(port.host_port, port.host_port_end)
    numbers = range(port.host_port, last + 1) if port.host_port else (0,) * _TRIES
    failed: Conflict | None = None
    for number in numbers:
        try:
            held = _bind_all(port.protocol, hosts, number)
        except Conflict as error:
            failed = error
            continue
        got = held[0].getsockname()[1] if held else number
        given = [replace(port, host_address=h, host_port=got, host_port_end=0) for h in hosts]
        return given, held
    assert failed is not None
    raise failed


def _bind_all(protocol: str, hosts: tuple[str, ...], number: int) -> list[_socket.socket]:
    held: list[_socket.socket] = []
    try:
        for host in hosts:
            one = _bind(protocol, host, number)
            if one is not None:
                held.append(one)
                number = number or one.getsockname()[1]
    except BaseException:
        for one in held:
            one.close()
        raise
    return held


def _bind(protocol: str, host: str, number: int) -> _socket.socket | None:
    kind, transport = _KINDS[protocol]
    family = _socket.AF_INET6 if is_v6(host) else _socket.AF_INET
    if not version(host):
        raise InvalidArgument(f"invalid IP address: {host}")
    try:
        one = _socket.socket(family, kind, transport)
    except OSError as error:
        if error.errno not in _NO_PROTOCOL:
            raise
        if protocol == "sctp" and number:
            return None  # the rules know it nevertheless, and let one container have it
        raise _unsupported(error, protocol, host) from None
    try:
        if family == _socket.AF_INET6:
            one.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        _bind_socket(one, kind, host, number)
    except OSError as error:
        one.close()
        raise _refused(error, protocol, host, number) from None
    return one


def _unsupported(error: OSError, protocol: str, host: str) -> InvalidArgument:
    words = f"a port cannot be published at {host} for {protocol}: {error.strerror}"
    if protocol == "sctp":
        hint = "name the port of the host's, too (HOST:CONTAINER/sctp), or modprobe sctp"
        return InvalidArgument(f"no free {words}", hint=hint)
    return InvalidArgument(words)


def _bind_socket(one: _socket.socket, kind: int, host: str, number: int) -> None:
    try:
        one.bind((host, number))
    except OSError as error:
        if error.errno != errno.EADDRINUSE or kind != _socket.SOCK_STREAM:
            raise
        # What ended a minute ago may linger (TIME_WAIT); whoever still has the port is in the way
        # nevertheless, as sockets held here do not share.
        one.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        one.bind((host, number))


def _refused(error: OSError, protocol: str, host: str, number: int) -> Conflict:
    """Return what to say of a port that another program has."""
    shown = f"[{host}]:{number}" if is_v6(host) else f"{host}:{number}"
    kind = f"{protocol}{'6' if is_v6(host) else '4'}"
    words = (error.strerror or str(error)).lower()
    hint = f"see who has it: ss -lnp 'sport = :{number}'" if number else ""
    if error.errno == errno.EADDRNOTAVAIL:
        hint = f"{host} is no address of this machine (ip address shows those); -p PORT:PORT is all"
    return Conflict(f"listen {kind} {shown}: bind: {words}", hint=hint)


def find_taken(asked: Iterable[Port], had: Iterable[Port]) -> tuple[Port, Port] | None:
    """Return the first port asked for that a container has, and the port that it has; or None."""
    held: dict[tuple[str, int], list[Port]] = {}
    for port in had:
        held.setdefault((port.protocol, port.host_port), []).append(port)
    for port in asked:
        for holder in held.get((port.protocol, port.host_port), ()):
            if _meet(port.host_address or _EVERY4, holder.host_address):
                return port, holder
    return None


def _meet(one: str, other: str) -> bool:
    """Whether an address is another one, or either is every one of its kind."""
    every = _EVERY6 if is_v6(one) else _EVERY4
    return one == other or (is_v6(one) == is_v6(other) and every in (one, other))


def allocated(asked: Port, holder: Port) -> Conflict:
    """Return what to say of a port asked for that another container has, in Docker's words."""
    kind = f"{holder.host_port}/{holder.protocol}"
    return Conflict(
        f"Bind for {_shown(asked)} failed: port is already allocated",
        hint=f"a container has {_shown(holder)}: plugrun ps --filter publish={kind}",
    )


def _shown(port: Port) -> str:
    host = port.host_address or _EVERY4
    return f"[{host}]:{port.host_port}" if is_v6(host) else f"{host}:{port.host_port}"
