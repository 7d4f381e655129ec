"""The program: descriptor 0 is its door, a listening socket; the state folder is its argument."""

from __future__ import annotations

import _socket
import sys

from plugrun_network_bridge.dns.server import Server


def main() -> None:
    """Serve until nobody is left."""
    door = _socket.socket(fileno=0)
    door.setblocking(False)
    Server(sys.argv[3], door).serve()
