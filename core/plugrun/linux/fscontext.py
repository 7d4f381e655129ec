"""File systems made step by step, before they are mounted: fsopen(2), fsconfig(2), fsmount(2).

What is made is a mount by descriptor, attached nowhere; it goes away with its last descriptor
unless ``mountfd.attach`` gives it a place. Linux 5.2.
"""

from __future__ import annotations

import errno
import os

from plugrun.linux.libc import SYS_FSCONFIG, SYS_FSMOUNT, SYS_FSOPEN, SYS_FSPICK, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

# include/uapi/linux/mount.h
_CLOEXEC = 1
_SET_FLAG, _SET_STRING, _SET_FD, _CREATE, _RECONFIGURE = 0, 1, 5, 6, 7
_PICK_EMPTY_PATH = 8


class FsContext:
    """A file system in the making; to be used with ``with``. Failures are OSError."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._fd = syscall(SYS_FSOPEN, kind.encode(), _CLOEXEC, subject=kind)

    def __enter__(self) -> FsContext:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def flag(self, name: str) -> None:
        """Set an option that has no value."""
        self._config(_SET_FLAG, name, None, 0)

    def string(self, name: str, value: str) -> None:
        """Set an option to a text of at most 255 bytes, in which no character is special."""
        self._config(_SET_STRING, name, os.fsencode(value), 0)

    def descriptor(self, name: str, fd: int) -> None:
        """Set an option to an open file or folder, which may be closed afterwards."""
        self._config(_SET_FD, name, None, fd)

    def mount(self, attributes: int = 0) -> int:
        """Make the file system; return a detached mount with these MOUNT_ATTR_ flags."""
        syscall(SYS_FSCONFIG, self._fd, _CREATE, None, None, 0, subject=self._kind)
        return syscall(SYS_FSMOUNT, self._fd, _CLOEXEC, attributes, subject=self._kind)

    def said(self) -> str:
        """Return, once, what the kernel has said about this one: its reasons, or nothing."""
        lines = []
        while True:
            try:
                line = os.read(self._fd, 1024)
            except OSError as error:
                if error.errno == errno.ENODATA:
                    break
                raise
            # "e overlay: …": e for an error, w a warning, i for information.
            lines.append(line[2:].decode("utf-8", "replace").strip())
        return "; ".join(lines)

    def _config(self, command: int, name: str, value: bytes | None, extra: int) -> None:
        syscall(SYS_FSCONFIG, self._fd, command, name.encode(), value, extra, subject=name)


def reconfigure(mount: int, settings: Mapping[str, str]) -> None:
    """Give the file system of a mount, attached or not, other options: fspick(2)."""
    flags = _CLOEXEC | _PICK_EMPTY_PATH
    context = syscall(SYS_FSPICK, mount, b"", flags, subject="fspick")
    try:
        for name, value in settings.items():
            raw = os.fsencode(value)
            syscall(SYS_FSCONFIG, context, _SET_STRING, name.encode(), raw, 0, subject=name)
        syscall(SYS_FSCONFIG, context, _RECONFIGURE, None, None, 0, subject="reconfigure")
    finally:
        os.close(context)
