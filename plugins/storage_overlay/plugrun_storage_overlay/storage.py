"""Kernel overlayfs over layers (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

from plugrun.api import Conflict, LayerStack, Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Probe

# What a layer is must not depend on other layers' or the kernel's defaults: with these off, an
# upper folder holds whole files, whiteouts and opaque marks only, as image layers need it.
_FEATURES = ("index=off", "metacopy=off", "redirect_dir=off")


class OverlayStorage(LayerStack):
    """Snapshots as stacks of folders, put together by the kernel."""

    most_lower = 500  # OVL_MAX_STACK in fs/overlayfs/ovl_entry.h

    def __init__(self, root: str) -> None:
        _refuse_root(root)
        super().__init__(root)

    def probe(self) -> Probe:
        """Mount a trial overlay on the root's file system, in a child with its own mounts."""
        from plugrun_storage_overlay.trial import probe

        return probe(self.root)

    def union(self, lower: tuple[str, ...], upper: str, work: str) -> Mount:
        """Return the overlay of these folders; without an upper one it is read-only."""
        layers = "lowerdir=" + ":".join(lower)
        if not upper:
            return Mount("overlay", "overlay", ("ro", layers, *_FEATURES))
        options = (layers, f"upperdir={upper}", f"workdir={work}", *_FEATURES)
        return Mount("overlay", "overlay", options)


def _refuse_root(root: str) -> None:
    """Refuse a root that mount options cannot carry."""
    for char in ":,\\":
        if char in root:
            raise Conflict(
                f"overlay cannot keep its state in {root}: there is {char!r} in the path",
                hint="choose another --root",
            )
