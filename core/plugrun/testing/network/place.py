"""Network namespaces that stand for hosts and containers, and sockets in them.

A socket stays in the namespace in which it was made. So one process without threads can be all
hosts at once: the kernel does handshakes while nobody looks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

from plugrun.linux import process

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

PATIENCE = 5.0  # seconds until a packet that ought to come is given up
IMPATIENCE = 0.3  # seconds in which a packet that must not come would have come
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_OWN = "/proc/thread-self/ns/net"


class Place:
    """A network namespace with its loopback up; it ends, with its servers, by ``close``."""

    def __init__(self) -> None:
        self._servers: list[socket.socket] = []
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            process.unshare(process.CLONE_NEWNET)
            self._fd = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
            _loopback_up()
        finally:
            process.setns(own, process.CLONE_NEWNET)
            os.close(own)

    @property
    def path(self) -> str:
        """Where the namespace is to be had, for every process."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """Let go of the namespace; nobody else has it."""
        for server in self._servers:
            server.close()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def inside(self, act: Callable[[], T]) -> T:
        """Call a function in the namespace."""
        own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            process.setns(self._fd, process.CLONE_NEWNET)
            return act()
        finally:
            process.setns(own, process.CLONE_NEWNET)
            os.close(own)

    def run(self, *commands: str) -> str:
        """Execute commands of ip(8) and others in the namespace; return what they print."""
        return self.inside(lambda: run(*commands))

    def interfaces(self) -> frozenset[str]:
        """Return the names of all interfaces."""
        return self.inside(lambda: frozenset(name for _, name in socket.if_nameindex()))

    def listen(self, port: int, address: str = "") -> socket.socket:
        """Return a socket that listens; of IPv6 and IPv4 unless there is an address."""
        self._servers.append(self.inside(lambda: listen(port, address)))
        return self._servers[-1]

    def receive(self, port: int, address: str = "") -> socket.socket:
        """Return a UDP socket at a port."""
        self._servers.append(self.inside(lambda: receive(port, address)))
        return self._servers[-1]

    def reaches(self, server: socket.socket, address: str, port: int) -> bool:
        """Whether a connection to an address comes out at a server; it is tried once."""
        return self.inside(lambda: reaches(server, address, port))

    def asks(self, server: socket.socket, address: str, port: int) -> bool:
        """Whether a datagram to an address is received by a server, and its answer comes back."""
        return self.inside(lambda: asks(server, address, port))


class Waiting:
    """A process in a namespace, for programs that know namespaces by PID only."""

    def __init__(self, place: Place) -> None:
        command = ["cat"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        self._process = place.inside(lambda: subprocess.Popen(command, **pipes))  # type: ignore[call-overload]
        self.pid: int = self._process.pid

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def run(*commands: str) -> str:
    """Execute commands, words separated by blanks; return what they print."""
    printed = []
    for command in commands:
        done = subprocess.run(
            command.split(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        printed.append(done.stdout)
    return "".join(printed)


def rules() -> str:
    """Return all rules of packet filters here: those of nf_tables, and those of iptables-legacy."""
    shown = run("nft list ruleset")
    for name in ("iptables-legacy-save", "ip6tables-legacy-save"):
        if shutil.which(name):
            kept = [line for line in run(name).splitlines() if not line.startswith("#")]
            shown += "".join([f"{line.partition(' [')[0]}\n" for line in kept])
    return shown


def listen(port: int, address: str = "") -> socket.socket:
    """Return a socket that listens here."""
    server = _bound(socket.SOCK_STREAM, port, address)
    server.listen(1024)
    return server


def receive(port: int, address: str = "") -> socket.socket:
    """Return a UDP socket at a port here."""
    return _bound(socket.SOCK_DGRAM, port, address)


def _bound(kind: socket.SocketKind, port: int, address: str) -> socket.socket:
    server = socket.socket(socket.AF_INET if "." in address else socket.AF_INET6, kind)
    try:
        if not address:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address or "::", port))
    except OSError:
        server.close()
        raise
    server.settimeout(PATIENCE)
    return server


def reaches(server: socket.socket, address: str, port: int) -> bool:
    """Whether a connection from here comes out at a server, and bytes both ways."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        try:
            client.connect((address, port))
        except OSError:
            return False
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            client.sendall(b"question")
            assert connection.recv(16) == b"question"
            connection.sendall(b"answer")
            return client.recv(16) == b"answer"


def asks(server: socket.socket, address: str, port: int) -> bool:
    """Whether a datagram from here is received by a server, and its answer comes back."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((address, port))
        client.send(b"question")
        try:
            data, sender = server.recvfrom(16)
        except TimeoutError:
            return False
        assert data == b"question"
        server.sendto(b"answer", sender)
        return client.recv(16) == b"answer"


def is_refused(address: str, port: int) -> bool:
    """Whether a connection from here does not come about: refused, or no answer in a while."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(IMPATIENCE)
        try:
            client.connect((address, port))
        except OSError:
            return True
        return False


def route_loopback() -> None:
    """Let packets for 127.0.0.0/8 leave this namespace, as an attacker would."""
    with open("/proc/sys/net/ipv4/conf/all/route_localnet", "w", encoding="ascii") as switch:
        switch.write("1")


def _loopback_up() -> None:
    # One of UDP would keep the namespace for a while after it was closed.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
