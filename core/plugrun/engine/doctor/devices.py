"""Devices and networks: /dev/fuse, /dev/net/tun, and what bridges are made with."""

from __future__ import annotations

import errno
import os
import socket
import stat

from plugrun.engine.doctor.checks import NOTE, OK, Check, read_first
from plugrun.linux.mountinfo import filesystem_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Number and module: Documentation/admin-guide/devices.txt.
_DEVICES = (
    ("/dev/fuse", "storage fuse", (10, 229), "fuse"),
    ("/dev/net/tun", "networks without root", (10, 200), "tun"),
)
_NETFILTER = 12  # NETLINK_NETFILTER, include/uapi/linux/netlink.h
_SMALL = 1 << 30


def check_devices() -> Iterator[Check]:
    """Open what backends open."""
    for path, purpose, number, module in _DEVICES:
        remake = f"mknod -m 666 {path} c {number[0]} {number[1]}"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            why = (error.strerror or "").lower()
            yield Check("devices", path, NOTE, why, purpose, _remedy(error, path, module, remake))
            continue
        found = os.fstat(fd)
        os.close(fd)
        if stat.S_ISCHR(found.st_mode) and _number(found) == number:
            yield Check("devices", path, OK, "opens", purpose)
        else:
            remedy = f"rm {path} && {remake}"
            yield Check("devices", path, NOTE, "is something else", purpose, remedy)


def _number(found: os.stat_result) -> tuple[int, int]:
    return os.major(found.st_rdev), os.minor(found.st_rdev)


def _remedy(error: OSError, path: str, module: str, remake: str) -> str:
    if error.errno == errno.EACCES:
        return f"as root: chmod 666 {path}, or run plugrun as root"
    if error.errno == errno.EPERM:
        return f"within a container: give it the device, --device {path}"
    if error.errno == errno.ENOENT and module in known_misc_devices():
        return remake  # the driver is there, and nobody has made the node
    return f"modprobe {module}"


def known_misc_devices() -> set[str]:
    """Return the drivers behind devices of major number 10: proc(5), /proc/misc."""
    try:
        with open("/proc/misc", encoding="ascii") as file:
            return {line.split()[-1] for line in file if line.strip()}
    except FileNotFoundError:
        return set()


def check_network() -> Iterator[Check]:
    """Look for the packet filter and for forwarding."""
    purpose = "network bridge: published ports, the way out"
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER).close()
    except OSError as error:
        why = (error.strerror or "").lower()
        yield Check("network", "nf_tables", NOTE, why, purpose, "modprobe nf_tables")
    else:
        yield Check("network", "nf_tables", OK, "netfilter answers", purpose)
    value = read_first("/proc/sys/net/ipv4/ip_forward")
    found = {"1": "on", "0": "off: a bridge turns it on"}.get(value, "not there")
    yield Check("network", "net.ipv4.ip_forward", OK, found, purpose)


def check_root(root: str) -> Iterator[Check]:
    """Look at the disk that images and containers lie on."""
    place = root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    numbers = os.statvfs(place)
    free = numbers.f_bavail * numbers.f_frsize
    found = f"{filesystem_type(place)}, {free / 10**9:.1f} GB free"
    small = free < _SMALL
    remedy = "plugrun system prune, or another disk: --root" if small else ""
    yield Check("disk", root, NOTE if small else OK, found, "images and containers", remedy)
