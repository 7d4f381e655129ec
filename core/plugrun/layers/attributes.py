"""Owner, mode, extended attributes and times, in the order in which they survive each other.

chown(2) clears setuid, setgid and security.capability; so owner, then mode, then xattrs.
"""

from __future__ import annotations

import errno
import os

from plugrun.errors import HostileArchive, PlugrunError
from plugrun.layers.entry import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugrun.layers.entry import Entry

DEFAULT_ACL = "system.posix_acl_default"
ACL = "system.posix_acl_access"
OVERLAY = "trusted.overlay."
USER_OVERLAY = "user.overlay."
_OWN_OF_OVERLAYFS = (OVERLAY, USER_OVERLAY)


def check_xattrs(entry: Entry) -> None:
    """Refuse attributes by which a layer would steer overlayfs itself."""
    for name in entry.xattrs or ():
        if name.startswith(_OWN_OF_OVERLAYFS):
            raise HostileArchive(f"{shown(entry.name)} carries overlayfs's own attribute {name}")


def set_xattrs(target: int | bytes, xattrs: Mapping[str, bytes], name: bytes) -> None:
    """Set attributes on a descriptor, or on a path whose last part is not followed."""
    for key, value in xattrs.items():
        try:
            if isinstance(target, int):
                os.setxattr(target, key, value)
            else:
                os.setxattr(target, key, value, follow_symlinks=False)
        except OSError as error:
            if not _may_be_missing(key, error):
                raise PlugrunError(
                    f"cannot set {key} on {shown(name)}: {error.strerror}",
                    hint="keep plugrun's root on a file system with extended attributes",
                ) from None


def _may_be_missing(key: str, error: OSError) -> bool:
    """user.* is left out where it cannot be: tmpfs before Linux 6.6, and never on a special file
    or a symlink (xattr(7)); nothing a program's rights hang on is lost, and Docker does the same.
    """
    return key.startswith("user.") and error.errno in (errno.ENOTSUP, errno.EPERM)


def xattrs_of(fd: int) -> dict[str, bytes]:
    """Return a file's attributes without overlayfs's own."""
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    kept = [name for name in names if not name.startswith(_OWN_OF_OVERLAYFS)]
    return {name: os.getxattr(fd, name) for name in kept}


def clear_xattrs(fd: int) -> None:
    """Remove all attributes but overlayfs's own and the label of a security module."""
    for name in xattrs_of(fd):
        if name != "security.selinux":
            os.removexattr(fd, name)


def drop_inherited_acl(path: bytes) -> None:
    """Remove what a new device or FIFO has from its folder's default ACL."""
    try:
        os.removexattr(path, ACL, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise


def copy_attributes(source: int, target: int) -> None:
    """Give a folder the owner, mode, attributes and times of another."""
    state = os.fstat(source)
    os.fchown(target, state.st_uid, state.st_gid)
    os.fchmod(target, state.st_mode & 0o7777)
    clear_xattrs(target)
    set_xattrs(target, xattrs_of(source), b"a folder")
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
