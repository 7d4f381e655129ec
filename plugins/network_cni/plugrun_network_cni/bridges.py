"""The end of an own bridge, by ioctl(2): all that a detachment needs of netdevice(7)."""

from __future__ import annotations

import _socket
import errno
import fcntl
from struct import Struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCBRDELBR = 0x8913, 0x8914, 0x89A1
_REQUEST = Struct("=16sh14x")  # ifreq: a name, and flags


def bridge_is_there(name: str) -> bool:
    """Whether there is an interface of that name."""
    try:
        _ask(_SIOCGIFFLAGS, _REQUEST.pack(name.encode(), 0))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False
        raise
    return True


def delete_bridge(name: str) -> None:
    """Switch a bridge off and remove it; one that has gone is all right."""
    try:
        _ask(_SIOCSIFFLAGS, _REQUEST.pack(name.encode(), 0))
        _ask(_SIOCBRDELBR, name.encode().ljust(16, b"\0"))
    except OSError as error:
        if error.errno not in (errno.ENODEV, errno.ENXIO):
            raise


def _ask(request: int, data: bytes) -> None:
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        fcntl.ioctl(any_socket.fileno(), request, data)
    finally:
        any_socket.close()
