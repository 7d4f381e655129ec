"""Loop devices: a regular file as a block device (loop(4)).

Each is read-only and autocleared: the kernel takes it down when its last user, a mount or an open
descriptor, has gone. So none outlasts a process that was killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from plugrun.errors import CannotMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_CONTROL = "/dev/loop-control"
_GET_FREE = 0x4C82  # LOOP_CTL_GET_FREE
_CONFIGURE = 0x4C0A  # LOOP_CONFIGURE, Linux 5.8
_READ_ONLY, _AUTOCLEAR = 1, 4
_TAKEN = (errno.EBUSY, errno.ENXIO)
_ATTEMPTS = 1000
_BLOCK_MAJOR = 7


class LoopDevice:
    """A device that shows the open ``file``, for the length of a ``with`` and what mounts it.

    What ``with`` gives is its path, to this process.
    """

    def __init__(self, file: int) -> None:
        self._device = _configured(file)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._device}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._device)


def _configured(file: int) -> int:
    """Return a free device that has been given the file; others look for one at the same time."""
    try:
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise CannotMount(
            f"no loop devices here: {_CONTROL}: {(error.strerror or '').lower()}",
            hint="modprobe loop; inside a container, give it the devices",
        ) from None
    try:
        for _ in range(_ATTEMPTS):
            number = fcntl.ioctl(control, _GET_FREE)
            device = _open(number)
            if device < 0:
                continue
            if _take(device, file):
                return device
            os.close(device)
    finally:
        os.close(control)
    raise CannotMount(f"{_ATTEMPTS} loop devices were taken by others at once", hint="try again")


def _open(number: int) -> int:
    """Return the device of a number; -1 if it has gone again."""
    path = f"/dev/loop{number}"
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # Nobody watches over /dev in this place (a container, a chroot).
        try:
            os.mknod(path, 0o60600, os.makedev(_BLOCK_MAJOR, number))
        except FileExistsError:
            return -1
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _TAKEN:
            return -1
        raise


def _take(device: int, file: int) -> bool:
    """Give the file to a device; False if another process was quicker."""
    # struct loop_config: fd, block size, struct loop_info64 of 232 bytes, 8 words kept for later.
    info = bytearray(232)
    struct.pack_into("=I", info, 52, _READ_ONLY | _AUTOCLEAR)
    try:
        fcntl.ioctl(device, _CONFIGURE, struct.pack("=II", file, 0) + bytes(info) + bytes(64))
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
