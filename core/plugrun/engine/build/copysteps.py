"""``COPY`` and ``ADD``: from the context, from a stage, from an image, from the web."""

from __future__ import annotations

import contextlib

from plugrun.dockerfile.destination import check_sources, destination
from plugrun.dockerfile.instructions import Add, Copy, Transfer
from plugrun.engine.build.copying import Attributes, Copier, Destination, put_data
from plugrun.engine.build.digests import Digests
from plugrun.engine.build.keys import step_key
from plugrun.engine.build.listing import list_source
from plugrun.engine.build.owners import owner_of
from plugrun.engine.build.sources import Tree, find_sources
from plugrun.engine.fence.accountcache import image_accounts
from plugrun.engine.files.rootfs import snapshot_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugrun.engine.build.listing import Listing
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.stage import Pending
    from plugrun.engine.build.state import StageState
    from plugrun.engine.build.steptree import StepTree

_INLINE_MODE = 0o644


class CopyStep:
    """One COPY or ADD. What it takes from a stage is known by the stage's ChainID at first, and
    by its contents once that stage was made anew.
    """

    def __init__(self, site: Site, state: StageState, pending: Pending) -> None:
        instruction = pending.instruction
        assert isinstance(instruction, Transfer)
        self._site = site
        self._state = state
        self._wanted = instruction
        self.kind = instruction.KEYWORD.lower()
        folder = pending.before.config.get("WorkingDir") or "/"
        place = destination(folder, instruction.destination)
        self._path, self._is_folder = place.path, place.is_folder
        check_sources(instruction, len(instruction.sources) + len(instruction.contents))
        origin = instruction.origin if isinstance(instruction, Copy) else ""
        self._origin = site.state_of(origin) if origin else None
        self._listings: list[Listing] | None = None

    def keys(self) -> tuple[str, ...]:
        """Return the keys that need nothing but what is at hand."""
        if self._origin is not None:
            sources = list(self._wanted.sources)
            return (self._key("tree", self._origin.top, sources),)
        self._list(self._site.context_tree())
        return (self._content_key(),)

    def late_keys(self) -> tuple[str, ...]:
        """Return those for which trees of stages are read."""
        if self._origin is None:
            return ()
        with self._tree() as tree:
            self._list(tree)
        return (self._content_key(),)

    def _content_key(self) -> str:
        assert self._listings is not None
        found = [[one.source.name, one.source.is_folder, one.digest] for one in self._listings]
        return self._key("contents", found)

    def _key(self, how: str, *parts: object) -> str:
        wanted, epoch = self._wanted, self._site.request.epoch
        inline = [[one.name, one.data] for one in wanted.contents]
        place = [self._path, self._is_folder, wanted.chown, wanted.chmod]
        flags = [list(wanted.excludes)]
        return step_key(self.kind, self._state, epoch, how, place, inline, flags, *parts)

    @contextlib.contextmanager
    def _tree(self) -> Iterator[Tree]:
        origin = self._origin
        if origin is None:
            yield self._site.context_tree()
            return
        engine = self._site.engine
        called = self._wanted.origin if isinstance(self._wanted, Copy) else ""
        self._site.have_unpacked(origin)
        with snapshot_tree(engine, engine.storage(), origin.top) as root:
            yield Tree(root, called, keeps_owners=True)

    def _list(self, tree: Tree) -> None:
        if self._listings is not None:
            return
        excludes = self._site.matcher(self._wanted.excludes) if self._wanted.excludes else None
        with Digests(self._site.engine.root) as digests:
            self._listings = [
                list_source(tree, source, excludes, digests)
                for pattern in self._wanted.sources
                for source in find_sources(tree, pattern)
            ]
        check_sources(self._wanted, len(self._listings) + len(self._wanted.contents))

    def do(self, tree: StepTree) -> None:
        """Change the tree."""
        attributes = self._attributes()
        with tree.mounted() as root, self._tree() as source:
            self._list(source)
            assert self._listings is not None
            place = Destination(root, self._path, attributes, is_folder=self._is_folder)
            copier = Copier(root, attributes)
            for listing in self._listings:
                copier.copy(source, listing, place)
            for one in self._wanted.contents:
                target = place.for_file(one.name)
                put_data(root, target, one.data.encode(), attributes, _INLINE_MODE)

    def _attributes(self) -> Attributes:
        wanted = self._wanted
        owner: tuple[int, int] | None = None if self._origin is not None else (0, 0)
        if wanted.chown:
            engine = self._site.engine
            top = self._state.top
            owner = owner_of(wanted.chown, lambda: image_accounts(engine, engine.storage(), top))
        mode = None
        if wanted.chmod:
            from plugrun.dockerfile.ownership import parse_chmod

            mode = parse_chmod(wanted.chmod).applied
        return Attributes(owner, mode)


def is_remote(instruction: Transfer, source: str) -> bool:
    """Whether ADD fetches a source from the web."""
    return isinstance(instruction, Add) and source.startswith(("http://", "https://"))
