"""Overlays whose layers are seen through a user namespace.

An overlay itself cannot be mounted with other owners, but its folders can lie in a mount that is
(overlayfs.rst, "Permission model"; Linux 5.19): what is on disk stays as it is, also in the
writable layer. overlayfs makes its own files as whoever mounts it, who therefore has to be
somebody there: the namespace's root.
"""

from __future__ import annotations

import os

from plugrun.linux import mountfd
from plugrun.linux.idmap import ActingAs
from plugrun.linux.imageoverlay import ImageOpener, split_loop
from plugrun.linux.overlay import mount_overlay, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.linux.idmap import MountIds

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def mount_mapped_overlay(
    options: Sequence[str], target: int, subject: str, ids: MountIds, images: str = ""
) -> None:
    """Mount an overlay like ``mount_overlay``, with the owners that ``ids`` says.

    What its folders have in common is mounted at the target first, and stays beneath it: a kernel
    before 6.15 takes no layers from a mount that is attached nowhere. One mount does for all
    layers, and the upper and the work folder have to be in the same one. Lower layers that are
    images, as with ``imageoverlay``, are mounted each by itself.
    """
    options, loop = split_loop(options) if images else (options, ())
    above = os.path.commonpath([path for _, path, _ in settings(options) if path])
    tree = mountfd.clone_tree(mountfd.AT_FDCWD, above)
    try:
        ids.map(tree, above)
        mountfd.attach(tree, target, subject)

        def opened(path: str) -> int:
            return os.open(os.path.relpath(path, above), _FOLDER, dir_fd=tree)

        with ImageOpener(images, target, loop, opened, ids) as opener, ActingAs(ids.uid, ids.gid):
            mount_overlay(options, target, subject, opener if images else opened, images)
    finally:
        os.close(tree)
