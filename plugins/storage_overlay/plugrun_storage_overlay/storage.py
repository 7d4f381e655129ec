"""Kernel overlayfs over layers (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

from plugrun.api import LayerStack, Mount, overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Probe

# What a layer is must not depend on other layers' or the kernel's defaults: with these off, an
# upper folder holds whole files, whiteouts and opaque marks only, as image layers need it.
_FEATURES = ("index=off", "metacopy=off", "redirect_dir=off")


class OverlayStorage(LayerStack):
    """Snapshots as stacks of folders, put together by the kernel."""

    most_lower = 500  # OVL_MAX_STACK in fs/overlayfs/ovl_entry.h

    def probe(self) -> Probe:
        """Mount a trial overlay on the root's file system, in a child with its own mounts."""
        from plugrun_storage_overlay.trial import probe

        return probe(self.root)

    def union(self, lower: tuple[str, ...], upper: str, work: str) -> Mount:
        """Return the overlay of these folders; without an upper one it is read-only."""
        layers = overlay.folder_option("lowerdir", lower)
        if not upper:
            return Mount("overlay", "overlay", ("ro", layers, *_FEATURES))
        writable = overlay.folder_option("upperdir", (upper,))
        aside = overlay.folder_option("workdir", (work,))
        return Mount("overlay", "overlay", (layers, writable, aside, *_FEATURES))
