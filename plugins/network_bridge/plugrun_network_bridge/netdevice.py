"""An interface's IPv4 by ioctl(2): netdevice(7), ip(7)."""

from __future__ import annotations

import _socket
import ctypes
import fcntl
from struct import Struct

_SIOCADDRT = 0x890B
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_IFF_UP = 1
_RTF_UP, _RTF_GATEWAY = 1, 2

_ADDRESS = Struct("=H2x4s8x")  # sockaddr_in
_REQUEST = Struct("=16s16s8x")  # ifreq with an address
_FLAGS = Struct("=16sH22x")  # ifreq with flags
_ROUTE = Struct("@L16s16s16sHhLPhPLLH")  # rtentry (linux/route.h)


class Netdevice:
    """An interface of the network namespace that the thread is in when this is made.

    What asks is a socket of TCP, which the kernel frees when it is closed: one of UDP it frees
    later, and its namespace with it. ``with`` closes it; all methods raise OSError.
    """

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_INET, kind)

    def __enter__(self) -> Netdevice:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def set_address(self, address: bytes, length: int) -> None:
        """Give it its address, in a subnet with a prefix of that length, at most 30."""
        mask = (0xFFFFFFFF << (32 - length) & 0xFFFFFFFF).to_bytes(4, "big")
        self._set(_SIOCSIFADDR, address)
        self._set(_SIOCSIFNETMASK, mask)

    def switch_on(self) -> None:
        """Let it send and receive."""
        found = fcntl.ioctl(self._socket, _SIOCGIFFLAGS, _FLAGS.pack(self._name, 0))
        flags = _FLAGS.unpack(found)[1]
        fcntl.ioctl(self._socket, _SIOCSIFFLAGS, _FLAGS.pack(self._name, flags | _IFF_UP))

    def add_default_route(self, gateway: bytes) -> None:
        """Lead everything that no other route takes to a gateway, once it is switched on."""
        name = ctypes.create_string_buffer(self._name)
        everything, flags = _packed(bytes(4)), _RTF_UP | _RTF_GATEWAY
        fields = (0, everything, _packed(gateway), everything, flags, 0, 0, 0, 0)
        route = _ROUTE.pack(*fields, ctypes.addressof(name), 0, 0, 0)
        fcntl.ioctl(self._socket, _SIOCADDRT, route)

    def _set(self, what: int, address: bytes) -> None:
        fcntl.ioctl(self._socket, what, _REQUEST.pack(self._name, _packed(address)))


def _packed(address: bytes) -> bytes:
    return _ADDRESS.pack(_socket.AF_INET, address)
