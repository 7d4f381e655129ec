"""Layers put together by a program of ours, through FUSE."""

from __future__ import annotations

from plugrun.api import IDMAPPED, INDEPENDENT_LAYERS, POSIX_UNION, LayerStack, Mount, is_kernel

from plugrun_storage_fuse.server import argv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from plugrun.api import Probe

# What df and /proc/mounts show as the source.
SOURCE = "plugrun-fuse"


class FuseStorage(LayerStack):
    """Snapshots as stacks of folders, of overlayfs's form, in a folder of their own."""

    most_lower = 500  # as overlayfs; each is a word of the program's command line

    def __init__(self, root: str) -> None:
        super().__init__(root)
        # FUSE_ALLOW_IDMAP came with that kernel.
        shown = (IDMAPPED,) if is_kernel(6, 12) else ()
        self.capabilities = frozenset((INDEPENDENT_LAYERS, POSIX_UNION, *shown))

    def probe(self) -> Probe:
        """Serve a trial union on the root's file system, in a child with its own mounts."""
        from plugrun_storage_fuse.trial import probe

        return probe(self.root)

    def union(self, lower: tuple[str, ...], upper: str, work: str) -> Mount:
        """Return the mount that our program serves; without an upper folder it is read-only."""
        options = () if upper else ("ro",)
        return Mount("fuse", SOURCE, options, helper=argv(lower, upper, work))
