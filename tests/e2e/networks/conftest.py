"""Containers on bridges, on a host of their own: a network namespace with a neighbour."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import PROFILES, Plugrun, fresh_root

IMAGE = "host:sh,cat,ls,sleep,ip,getent"
CONFIG = """profile: bridged
profiles:
  bridged:
    extends: {base}
    network: bridge
"""
_HOST, _NEIGHBOUR = "192.0.2.1", "192.0.2.2"


@dataclass(frozen=True)
class Bridged(Plugrun):
    """The command in a network namespace of its own; ``host`` is the path of that."""

    host: str = ""

    @property
    def argv(self) -> list[str]:
        return ["nsenter", f"--net={self.host}", *super().argv]

    def address(self, name: str, network: str = "bridge") -> str:
        found = self.inspect(name)["NetworkSettings"]["Networks"]
        return found[network]["IPAddress"]

    def inside(self, name: str, *words: str) -> str:
        return self.out("exec", name, *words)


def inside_of(path: str, *words: str, **more) -> subprocess.CompletedProcess[str]:
    """Run a program in a network namespace."""
    words = ("nsenter", f"--net={path}", *words)
    more = {"timeout": 60, **more}
    return subprocess.run(words, capture_output=True, text=True, check=True, **more)


@contextlib.contextmanager
def namespace() -> Iterator[str]:
    """A network namespace with loopback alone, as long as a process keeps it."""
    words = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"\n"
        yield f"/proc/{keeper.pid}/ns/net"
        keeper.stdin.close()


@pytest.fixture(scope="session")
def host() -> Iterator[str]:
    """The network namespace that stands for this machine."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with namespace() as path:
        yield path


@pytest.fixture(scope="session")
def neighbour(host: str) -> Iterator[str]:
    """Another machine, next to it on a cable."""
    with namespace() as path:
        pid = path.split("/")[2]
        inside_of(host, "ip", "link", "add", "wire0", "type", "veth", "peer", "wire1", "netns", pid)
        for place, name, address in ((host, "wire0", _HOST), (path, "wire1", _NEIGHBOUR)):
            inside_of(place, "ip", "address", "add", f"{address}/24", "dev", name)
            inside_of(place, "ip", "link", "set", name, "up")
        yield path


@pytest.fixture(scope="session")
def bridged(host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    """The command on a root with bridges; whatever it made on the host is gone at the end."""
    config = tmp_path_factory.mktemp("bridged") / "config.yaml"
    base = next(path for path in PROFILES if "overlay" in path)
    with open(base, encoding="utf-8") as file:
        profiles = file.read().partition("profiles:\n")[2]
    config.write_text(CONFIG.format(base=os.path.basename(base)[:-5]) + profiles)
    with fresh_root(str(config)) as plain:
        tool = Bridged(plain.config, plain.root, plain.run_root, host)
        tool("run", "--rm", "-q", "--network", "none", IMAGE, "sh", "-c", ":")
        yield tool
        tool.remove_all()
        tool("network", "prune", "-f")


@pytest.fixture
def net(bridged: Bridged) -> Iterator[Bridged]:
    """The command; what a test leaves is removed."""
    yield bridged
    bridged.remove_all()
    bridged("network", "prune", "-f")


SERVER = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[2] == "udp" else socket.SOCK_STREAM
server = socket.socket(socket.AF_INET, kind)
server.bind(("0.0.0.0", int(sys.argv[1])))
if kind == socket.SOCK_DGRAM:
    print("ready", flush=True)
    while True:
        data, who = server.recvfrom(100)
        server.sendto(b"echo " + data, who)
server.listen(9)
print("ready", flush=True)
while True:
    one, who = server.accept()
    one.sendall(b"hello " + who[0].encode())
    one.close()
"""
CLIENT = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM
with socket.socket(socket.AF_INET, kind) as one:
    one.settimeout(float(sys.argv[4]))
    one.connect((sys.argv[1], int(sys.argv[2])))
    if kind == socket.SOCK_DGRAM:
        one.send(b"x")
    print(one.recv(100).decode())
"""


@contextlib.contextmanager
def serving(net: Bridged, name: str, port: int, protocol: str = "tcp") -> Iterator[None]:
    """A real server in a container's network namespace, on the machine's own interpreter."""
    path = net.inspect(name)["NetworkSettings"]["SandboxKey"]
    words = ["nsenter", f"--net={path}", sys.executable, "-c", SERVER, str(port), protocol]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()


def asked(
    place: str, address: str, port: int, protocol: str = "tcp", *, patience: float = 20
) -> str:
    """Ask a server from a network namespace; return what it says."""
    words = (sys.executable, "-c", CLIENT, address, str(port), protocol, str(patience))
    return inside_of(place, *words).stdout.strip()
