"""A mount as data: storage hands it over, isolation performs it."""

from __future__ import annotations

from plugrun.model.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.model.idmap import IdMap


@record
class Mount:
    """What one mount(2) call will do, in the words of /proc/mounts.

    ``options`` holds flags and file-system data alike (``ro``, ``nosuid``, ``lowerdir=…``), as
    fstab(5) and the OCI runtime spec write them. ``target`` is relative to the root that the
    mount helps to make; the empty string is that root itself. Paths are absolute; in an overlay's
    options a backslash stands before what would end a path there (``overlay.folder_option``).

    ``helper`` is the argv of a program that serves the file system, of a mount whose type is
    ``fuse``; whoever performs the mount starts it, and it gets the connection as descriptor 0
    (``plugrun.linux.serving``). Of ``options`` such a mount takes flags only.

    With ``ids`` the mount shows what it holds with other owners: user 0 on disk is the one that
    the mapping has for 0, and so on. Whoever performs the mount sees to it (``linux.idmap``); a
    ``helper`` gets ``with-ids`` as its last argument then, and has to allow it (FUSE_ALLOW_IDMAP).

    ``images`` is the type of a file system that regular files hold: the ``source`` of a mount of
    that type, or what an overlay's ``lowerdir`` names beside folders. Whoever performs the mount
    mounts them read-only (``linux.images``), with a loop device where the kernel wants one, or
    wherever ``options`` has ``loop``; neither outlasts the mount.
    """

    type: str
    source: str
    options: tuple[str, ...] = ()
    target: str = ""
    helper: tuple[str, ...] = ()
    ids: IdMap | None = None
    images: str = ""
