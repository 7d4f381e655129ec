"""File systems that lie in regular files: read-only, and mounted nowhere that others see.

Some are read from the file itself (EROFS since Linux 6.12); for the rest, and where the kernel
will not, there is a loop device, which the kernel takes down with the last mount (``loop``). So
nothing of either outlasts the mount, however its user ends.
"""

from __future__ import annotations

import errno
import os
import stat

from plugrun.errors import REPAIR, CannotMount, Corrupt
from plugrun.linux import mountfd, mounting
from plugrun.linux.fscontext import FsContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_FDS = "/proc/self/fd"
# A file system wants a device (ENOTBLK); or cannot stand so high on others (EINVAL, ELOOP).
_WANTS_DEVICE = (errno.ENOTBLK, errno.EINVAL, errno.ELOOP, errno.EOPNOTSUPP)
_UNSOUND = (errno.EINVAL, errno.EUCLEAN, errno.EBADMSG, errno.EIO, errno.EOPNOTSUPP)


def is_image(path: str) -> bool:
    """Whether a regular file is at a path, and no folder."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def open_image(path: str, kind: str, options: Sequence[str] = ()) -> int:
    """Return a detached, read-only mount of the file system of type ``kind`` in a file.

    ``options`` are flags and the file system's own, as in ``Mount``; with ``loop`` the file is
    given to it as a device from the start. Raise Corrupt if the file is missing or holds no such
    file system, and CannotMount if there is no mounting here.
    """
    flags, _, _, _ = mounting.parse_options(tuple(options))
    own = [option for option in mounting.own_options(tuple(options)) if option != "loop"]
    attributes = mountfd.attributes(flags | mounting.MS_RDONLY)
    try:
        file = os.open(path, _FILE)
    except OSError as error:
        reason = (error.strerror or "").lower()
        message = f"the storage is damaged: the image {path}: {reason}"
        raise Corrupt(message, hint=REPAIR) from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Corrupt(f"the storage is damaged: {path} is no image", hint=REPAIR)
        return _mounted(path, file, kind, own, attributes, "loop" not in options)
    finally:
        os.close(file)


def _mounted(
    path: str, file: int, kind: str, own: Sequence[str], attributes: int, directly: bool
) -> int:
    try:
        if directly:
            try:
                return _made(f"{_FDS}/{file}", kind, own, attributes)
            except OSError as error:
                if error.errno not in _WANTS_DEVICE:
                    raise
        from plugrun.linux.loop import LoopDevice

        with LoopDevice(file) as device:
            return _made(device, kind, own, attributes)
    except OSError as error:
        raise _refused(path, kind, error) from error


def _made(source: str, kind: str, own: Sequence[str], attributes: int) -> int:
    with FsContext(kind) as context:
        context.string("source", source)
        context.flag("ro")
        for option in own:
            name, equals, value = option.partition("=")
            context.string(name, value) if equals else context.flag(name)
        try:
            return context.mount(attributes)
        except OSError as error:
            said = context.said()
            if said:
                error.strerror = said
            raise


def _refused(path: str, kind: str, error: OSError) -> CannotMount | Corrupt:
    reason = (error.strerror or "").removeprefix(f"{kind}: ").lower()
    if error.errno in (errno.EPERM, errno.EACCES):
        hint = "run it as root with CAP_SYS_ADMIN (not in a sandbox)"
        return CannotMount(f"this process may not mount {path}", hint=hint)
    if error.errno == errno.ENODEV:
        return CannotMount(f"this kernel has no {kind}", hint=f"modprobe {kind}")
    if error.errno in _UNSOUND:
        message = f"the storage is damaged: {path} is no {kind} image that is whole: {reason}"
        return Corrupt(message, hint=REPAIR)
    return CannotMount(f"cannot mount the {kind} image {path}: {reason}", hint="see dmesg")


def open_layer(path: str, images: str = "") -> int:
    """Return a readable descriptor of a layer's top folder, which the caller closes.

    With ``images``, a regular file is an image of that type, and the folder is its root. Raise
    Corrupt if there is neither.
    """
    if images and is_image(path):
        tree = open_image(path, images)
        try:
            return os.open(".", _FOLDER, dir_fd=tree)
        finally:
            os.close(tree)
    try:
        return os.open(path, _FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        missing = f"the storage is damaged: the layer {path} is missing"
        raise Corrupt(missing, hint=REPAIR) from None
