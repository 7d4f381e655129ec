"""The program: descriptor 0 is its door, a listening socket; the state folder is its argument."""

from __future__ import annotations

import _socket
import resource
import sys

from plugrun_network_bridge.dns.server import Server


def main() -> None:
    """Serve until nobody is left."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one of many who ask needs hundreds
    door = _socket.socket(fileno=0)
    door.setblocking(False)
    Server(sys.argv[3], door).serve()
