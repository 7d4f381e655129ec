"""``COPY``: from the context, from a stage, from an image, or out of the Dockerfile itself."""

from __future__ import annotations

import contextlib
import os

from plugrun.dockerfile.destination import check_sources, destination, parents
from plugrun.dockerfile.instructions import Copy, Transfer
from plugrun.engine.build.digests import Digests
from plugrun.engine.build.keys import step_key
from plugrun.engine.build.listing import list_source
from plugrun.engine.build.sources import Tree, find_sources
from plugrun.engine.build.steps import Step
from plugrun.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.build.copying import Attributes, Destination
    from plugrun.engine.build.listing import Listing
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending
    from plugrun.engine.build.state import StageState
    from plugrun.engine.build.steptree import StepTree

_INLINE_MODE = 0o644


class CopyStep(Step):
    """One COPY. What it takes from a stage is known by the stage's ChainID at first, and by its
    contents once that stage was made anew.
    """

    def __init__(self, site: Site, state: StageState, pending: Pending) -> None:
        instruction = pending.instruction
        assert isinstance(instruction, Transfer)
        self.site = site
        self.wanted = instruction
        self.kind = instruction.KEYWORD.lower()
        self._state = state
        folder = pending.before.config.get("WorkingDir") or "/"
        place = destination(folder, instruction.destination)
        self._path, self._is_folder = place.path, place.is_folder
        check_sources(instruction, len(instruction.sources) + len(instruction.contents))
        self._from = instruction.origin if isinstance(instruction, Copy) else ""
        self._origin = site.state_of(self._from) if self._from else None
        self._keeps_parents = isinstance(instruction, Copy) and instruction.parents
        # Each with where it goes beneath the destination.
        self._listings: list[tuple[str, Listing]] | None = None

    # -- what it depends on ---------------------------------------------------------------

    def keys(self) -> tuple[str, ...]:
        """Return the keys that need nothing but what is at hand."""
        if self._origin is not None:
            return (self.key("tree", self._origin.top, list(self.wanted.sources)),)
        if self.wanted.sources:
            self._list(self.site.context_tree())
        return (self._content_key(),)

    def late_keys(self) -> tuple[str, ...]:
        """Return those for which trees of stages are read."""
        if self._origin is None:
            return ()
        with self._tree() as tree:
            self._list(tree)
        return (self._content_key(),)

    def _content_key(self) -> str:
        return self.key("contents", *(_told(*one) for one in self._listings or ()))

    def key(self, how: str, *parts: object) -> str:
        """Return the key of what depends on these parts, and on where and how they are put."""
        wanted, epoch = self.wanted, self.site.request.epoch
        inline = [[one.name, one.data] for one in wanted.contents]
        place = [self._path, self._is_folder, wanted.chown, wanted.chmod, self._keeps_parents]
        flags = [list(wanted.excludes)]
        return step_key(self.kind, self._state, epoch, how, place, inline, flags, *parts)

    @contextlib.contextmanager
    def _tree(self) -> Iterator[Tree]:
        origin = self._origin
        if origin is None:
            yield self.site.context_tree()
            return
        if not origin.top:
            raise NotFound(f"{self._from} has no files")
        from plugrun.engine.files.rootfs import snapshot_tree

        engine = self.site.engine
        self.site.have_unpacked(origin)
        with snapshot_tree(engine, engine.storage(), origin.top) as root:
            yield Tree(root, self._from, keeps_owners=True)

    def _list(self, tree: Tree) -> None:
        if self._listings is None:
            self._listings = [
                one for pattern in self.wanted.sources for one in self.listed(tree, pattern)
            ]
            check_sources(self.wanted, len(self._listings) + len(self.wanted.contents))

    def listed(self, tree: Tree, pattern: str) -> Iterator[tuple[str, Listing]]:
        """Yield what a pattern stands for, each with its folder beneath the destination."""
        excludes = self.site.matcher(self.wanted.excludes) if self.wanted.excludes else None
        pivot = parents(pattern) if self._keeps_parents else None
        wanted = pattern if pivot is None else f"{pivot.root}/{pivot.pattern}"
        with Digests(self.site.engine.root) as digests:
            for source in find_sources(tree, wanted):
                above = ""
                if pivot is not None:
                    inner = source.called.removeprefix(pivot.root).strip("/")
                    above = inner if source.is_folder else os.path.dirname(inner)
                yield above, list_source(tree, source, excludes, digests)

    # -- how it is done -------------------------------------------------------------------

    def do(self, tree: StepTree) -> None:
        """Change the tree."""
        attributes = self.attributes()
        with tree.mounted() as root, contextlib.ExitStack() as stack:
            if self.wanted.sources:
                self._copy(stack.enter_context(self._tree()), root, attributes)
            self.put_contents(root, attributes)

    def put_contents(self, root: int, attributes: Attributes) -> None:
        """Put the files that stand in the Dockerfile."""
        from plugrun.engine.build.copying import put_data

        for one in self.wanted.contents:
            target = self.place(root, attributes).for_file(one.name)
            put_data(root, target, one.data.encode(), attributes, _INLINE_MODE)

    def _copy(self, source: Tree, root: int, attributes: Attributes) -> None:
        from plugrun.engine.build.copying import Copier

        self._list(source)
        copier = Copier(root, attributes)
        for above, listing in self._listings or ():
            if above:
                self._make_parents(source, listing, above, root, attributes)
            place = self.place(root, attributes, above)
            copier.copy(source, listing, place)

    def place(self, root: int, attributes: Attributes, above: str = "") -> Destination:
        """Return where files go."""
        from plugrun.engine.build.copying import Destination

        path = f"{self._path.rstrip('/')}/{above}" if above else self._path
        is_folder = self._is_folder or self._keeps_parents
        return Destination(root, path, attributes, is_folder=is_folder)

    def _make_parents(
        self, source: Tree, listing: Listing, above: str, root: int, attributes: Attributes
    ) -> None:
        """Make the folders above a file as they are in the source."""
        from plugrun.engine.build.copying import state_of

        called = listing.source.called
        last = called if listing.source.is_folder else os.path.dirname(called)
        base = last[: len(last) - len(above)]
        parts = above.split("/")
        for count in range(1, len(parts) + 1):
            inner = "/".join(parts[:count])
            like = state_of(source, f"{base}{inner}")
            os.close(self.place(root, attributes, inner).for_contents(like).fd)

    def attributes(self) -> Attributes:
        """Return whose the files become, and their modes."""
        from plugrun.engine.build.copying import Attributes

        wanted = self.wanted
        owner: tuple[int, int] | None = None if self._origin is not None else (0, 0)
        if wanted.chown:
            from plugrun.engine.build.owners import owner_of
            from plugrun.engine.fence.accountcache import image_accounts

            engine, top = self.site.engine, self._state.top
            self.site.have_unpacked(self._state)
            owner = owner_of(wanted.chown, lambda: image_accounts(engine, engine.storage(), top))
        mode = None
        if wanted.chmod:
            from plugrun.dockerfile.ownership import parse_chmod

            mode = parse_chmod(wanted.chmod).applied
        return Attributes(owner, mode)


def _told(above: str, listing: Listing) -> list[object]:
    source = listing.source
    return [above, source.name, source.is_folder, listing.digest]
