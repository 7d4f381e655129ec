"""Kernel overlayfs over layers (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

from plugrun.api import (
    IDMAPPED,
    INDEPENDENT_LAYERS,
    WHITEOUT_OVERLAYFS,
    WHITEOUT_USERXATTR,
    LayerStack,
    Mount,
    is_kernel,
    overlay,
)

from plugrun_storage_overlay import marking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Probe

# What a layer is must not depend on other layers' or the kernel's defaults: with these off, an
# upper folder holds whole files, whiteouts and opaque marks only, as image layers need it.
_FEATURES = ("index=off", "metacopy=off", "redirect_dir=off")
# With userxattr there are no redirects, and the kernel takes no other word for it.
_USER_FEATURES = ("index=off", "metacopy=off", "redirect_dir=nofollow", "userxattr")


class OverlayStorage(LayerStack):
    """Snapshots as stacks of folders, put together by the kernel."""

    most_lower = 500  # OVL_MAX_STACK in fs/overlayfs/ovl_entry.h

    def __init__(self, root: str) -> None:
        super().__init__(root)
        # That kernel's overlayfs takes layers that are shown with other owners.
        shown = (IDMAPPED,) if is_kernel(5, 19) else ()
        self.capabilities = frozenset((INDEPENDENT_LAYERS, *shown))
        self._style = ""

    def probe(self) -> Probe:
        """Mount a trial overlay on the root's file system, in a child with its own mounts."""
        from plugrun_storage_overlay.trial import probe

        return probe(self.root)

    def prepare(self, key: str, parent: str | None) -> None:
        """Make an active snapshot: two folders and a record."""
        if not self._style:
            self._style = marking.recorded(self.root) or marking.choose(self.records)
        super().prepare(key, parent)

    def whiteouts(self) -> str:
        """Return the style of this root's marks."""
        if not self._style:
            self._style = marking.recorded(self.root)
        return self._style or WHITEOUT_OVERLAYFS

    def union(self, lower: tuple[str, ...], upper: str, work: str) -> Mount:
        """Return the overlay of these folders; without an upper one it is read-only."""
        return Mount("overlay", "overlay", options_of(lower, upper, work, self.whiteouts()))


def options_of(lower: tuple[str, ...], upper: str, work: str, style: str) -> tuple[str, ...]:
    """Return the options of an overlay, read-only without an upper folder."""
    layers = overlay.folder_option("lowerdir", lower)
    features = _USER_FEATURES if style == WHITEOUT_USERXATTR else _FEATURES
    if not upper:
        return ("ro", layers, *features)
    writable = overlay.folder_option("upperdir", (upper,))
    aside = overlay.folder_option("workdir", (work,))
    return (layers, writable, aside, *features)
