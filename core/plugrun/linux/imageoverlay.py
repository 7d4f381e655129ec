"""Overlays some of whose lower layers are file systems in files (``Mount.images``).

Each image is mounted for the overlay alone, which keeps what it needs of it: the mounts themselves
go again at once. A kernel before 6.15 takes no layers from a mount that is attached nowhere; there
the images are mounted at the target first, and stay beneath the overlay.
"""

from __future__ import annotations

import os

from plugrun.linux import mountfd
from plugrun.linux.images import is_image, open_image
from plugrun.linux.overlay import mount_overlay, open_folder
from plugrun.linux.release import is_kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugrun.linux.idmap import MountIds
    from plugrun.linux.overlay import Opener

_LOOP = "loop"


class ImageOpener:
    """Opens an overlay's folders, and mounts those that are images; to be called with a path.

    ``folders`` opens what is no image. With ``ids`` the images are seen through them. To be used
    with ``with``, until the overlay is made: what is mounted nowhere goes with its descriptor.
    """

    def __init__(
        self,
        kind: str,
        target: int,
        options: Sequence[str] = (),
        folders: Opener = open_folder,
        ids: MountIds | None = None,
    ) -> None:
        self._kind = kind
        self._target = target
        self._options = options
        self._folders = folders
        self._ids = ids
        self._is_detached = is_kernel(6, 15)
        self._held: list[int] = []

    def __enter__(self) -> ImageOpener:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._held:
            os.close(fd)

    def __call__(self, path: str) -> int:
        """Return a descriptor of a layer, which the caller closes."""
        if not is_image(path):
            return self._folders(path)
        tree = open_image(path, self._kind, self._options)
        self._held.append(tree)
        if self._ids is not None:
            self._ids.map(tree, path)
        if not self._is_detached:
            mountfd.attach(tree, self._target, path)
        return os.dup(tree)


def split_loop(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return an overlay's options without ``loop``, and what is said to its images."""
    return [one for one in options if one != _LOOP], [one for one in options if one == _LOOP]


def mount_image_overlay(options: Sequence[str], target: int, subject: str, kind: str) -> None:
    """Mount an overlay like ``mount_overlay``, of folders and of images of type ``kind``."""
    own, images = split_loop(options)
    with ImageOpener(kind, target, images) as opener:
        mount_overlay(own, target, subject, opener, kind)
