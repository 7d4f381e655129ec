"""Which attributes the layers of a root are marked with: decided once, by trying, and kept.

Overlayfs marks an opaque folder with an attribute that only the host's root may set and read,
``trusted.overlay.opaque``. In a user namespace it is mounted with ``userxattr`` and marks with
``user.overlay.opaque``. Layers made one way would show deleted files the other way, so the file
``marks`` in the root says which it is; it carries a trusted attribute itself, if there may be any.
"""

from __future__ import annotations

import errno
import os

from plugrun.api import WHITEOUT_OVERLAYFS, WHITEOUT_USERXATTR, Conflict, Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import SnapshotRecords

_SEEN = "trusted.plugrun.marks"
_STYLES = {b"trusted\n": WHITEOUT_OVERLAYFS, b"user\n": WHITEOUT_USERXATTR}


def recorded(root: str) -> str:
    """Return a root's style, in LayerTree's words, or nothing if none was chosen yet.

    Raise Conflict if this process cannot read the marks, Corrupt if the file is damaged.
    """
    path = f"{root}/marks"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        style = _STYLES.get(os.read(fd, 16), "")
        if not style:
            raise Corrupt(
                f"{path} is damaged: it must hold the word trusted or user",
                hint="as the host's root, write trusted into it; in a user namespace, user",
            )
        if style == WHITEOUT_OVERLAYFS and not _is_seen(fd):
            raise _unreadable(root)
        return style
    finally:
        os.close(fd)


def choose(records: SnapshotRecords) -> str:
    """Decide for a root that has no layers yet; return the style."""
    root = records.root
    with records.locked():
        style = recorded(root)
        if style:
            return style
        aside = f"{root}/t/marks-{os.getpid()}"
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            style = usable(fd)
            if style == WHITEOUT_USERXATTR and os.listdir(f"{root}/l"):
                raise _unreadable(root)  # made before styles were kept, hence by the host's root
            word = next(word for word, meant in _STYLES.items() if meant == style)
            os.write(fd, word)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(aside, f"{root}/marks")
    return style


def usable(file: int | str) -> str:
    """Return the style whose attributes this process may set, by setting one on a file."""
    try:
        os.setxattr(file, _SEEN, b"")
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            return WHITEOUT_USERXATTR
        if error.errno != errno.ENOTSUP:
            raise
    return WHITEOUT_OVERLAYFS


def _is_seen(file: int) -> bool:
    try:
        os.getxattr(file, _SEEN)
    except OSError as error:
        return error.errno == errno.ENOTSUP  # no attributes at all: the probe says so
    return True


def _unreadable(root: str) -> Conflict:
    return Conflict(
        f"the layers in {root} are marked with attributes trusted.*, which cannot be read here "
        "(in a user namespace, or copied without its attributes)",
        hint="use it as the host's root, or choose another --root",
    )
