"""What ``RUN --mount`` mounts for the length of one command, none of it part of the layer.

It is put together in the worker's own mount namespace, on a tmpfs: secrets and scripts never come
to a disk, and all of it goes with the worker however that ends.
"""

from __future__ import annotations

import contextlib
import os

from plugrun.dockerfile.config import absolute
from plugrun.engine.build.cachemounts import CacheFolder
from plugrun.engine.build.digests import Digests
from plugrun.engine.build.listing import list_source
from plugrun.engine.build.marks import mark, unmark
from plugrun.engine.build.sources import find_sources, open_beneath
from plugrun.errors import Conflict, InvalidArgument, NoSuchSnapshot, NotFound
from plugrun.linux import mountfd
from plugrun.linux.attach import ReadyMounts
from plugrun.linux.beneath import open_in_root
from plugrun.linux.filesystem import make_private
from plugrun.linux.mounting import MNT_DETACH, mount, umount
from plugrun.linux.overlay import folder_option, mount_overlay
from plugrun.linux.writing import write_all
from plugrun.model.mountpoint import BIND, BY_MOUNT, TMPFS, MountPoint
from plugrun.model.record import as_json, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from plugrun.dockerfile.instructions import InlineFile, RunMount
    from plugrun.engine.build.listing import Listing
    from plugrun.engine.build.site import Site
    from plugrun.engine.build.state import StageState

_SCRIPTS = "/dev/pipes"
_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent"
_SECRET_MODE = 0o400


@record
class Mounted:
    """What a command gets: ``points`` and the variables that go with them."""

    points: tuple[MountPoint, ...]
    env: tuple[str, ...]


class RunMounts:
    """The mounts of one RUN, whose working directory is ``workdir``."""

    def __init__(
        self, site: Site, mounts: Sequence[RunMount], script: InlineFile | None, workdir: str
    ) -> None:
        self._site = site
        self._mounts = mounts
        self._script = script
        self._workdir = workdir or "/"
        self._listings: dict[int, Listing] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to mount."""
        return not self._mounts and self._script is None

    @property
    def keeps_secrets(self) -> bool:
        """Whether a variable of the command is secret."""
        return any(one.kind == "secret" and one.env is not None for one in self._mounts)

    def key(self) -> list[object]:
        """Return what the step depends on: no secret, no cache, the contents of what is bound."""
        parts: list[object] = []
        for number, one in enumerate(self._mounts):
            parts.append([as_json(one), self._content(number, one)])
        script = self._script
        return [*parts, [script.name, script.data] if script is not None else []]

    def _content(self, number: int, one: RunMount) -> str:
        if one.origin:
            return self._origin(one).top
        if one.kind != "bind":
            return ""
        tree = self._site.context_tree()
        [source, *more] = find_sources(tree, one.source or ".")
        if more:
            raise InvalidArgument(f'"{one.source}" stands for several files: mount a folder')
        with Digests(self._site.engine.root) as digests:
            self._listings[number] = list_source(tree, source, None, digests)
        return self._listings[number].digest

    def _origin(self, one: RunMount) -> StageState:
        found = self._site.plan.mount_origin(one.origin)
        return self._site.images[found] if isinstance(found, str) else self._site.states[found]

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Mounted]:
        """Make it all ready, in the mount namespace of this process, which is its own."""
        place = f"{self._site.engine.run_root}/build"
        make_private(place)
        mount("tmpfs", place, "tmpfs", 0, "mode=0700")
        try:
            with contextlib.ExitStack() as stack:
                yield _Bench(self._site, place, stack, self).ready()
        finally:
            umount(place, MNT_DETACH)

    # -- for the bench --------------------------------------------------------------------

    def each(self) -> Iterator[tuple[int, RunMount, str]]:
        """Yield each mount with its number and its target."""
        for number, one in enumerate(self._mounts):
            target = absolute(self._workdir, one.target) if one.target else ""
            yield number, one, target

    @property
    def script(self) -> InlineFile | None:
        """The script that is executed, if there is one."""
        return self._script

    def listing(self, number: int) -> Listing:
        """Return what is bound of the context."""
        if number not in self._listings:
            self._content(number, self._mounts[number])
        return self._listings[number]

    def origin(self, one: RunMount) -> StageState:
        """Return the stage or image a mount takes from."""
        return self._origin(one)


class _Bench:
    """One preparation, on the tmpfs at ``place``; ``stack`` undoes it."""

    def __init__(self, site: Site, place: str, stack: ExitStack, wanted: RunMounts) -> None:
        self._site = site
        self._engine = site.engine
        self._place = place
        self._stack = stack
        self._wanted = wanted
        self._points: list[MountPoint] = []
        self._env: list[str] = []

    def ready(self) -> Mounted:
        makers = {
            "bind": self._bind,
            "cache": self._cache,
            "tmpfs": self._tmpfs,
            "secret": self._secret,
            "ssh": self._ssh,
        }
        for number, one, target in self._wanted.each():
            makers[one.kind](number, one, target)
        script = self._wanted.script
        if script is not None:
            source = self._file(f"script-{len(self._points)}", script.data.encode(), 0o755)
            self._add(source, f"{_SCRIPTS}/{script.name}", read_only=True)
        return Mounted(tuple(self._points), tuple(self._env))

    def _add(self, source: str, target: str, *, read_only: bool) -> None:
        self._points.append(MountPoint(BIND, target, source, read_only=read_only, given=BY_MOUNT))

    def _file(self, name: str, data: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> str:
        path = f"{self._place}/{name}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fchown(fd, *owner)
            os.fchmod(fd, mode)
        finally:
            os.close(fd)
        return path

    def _folder(self, name: str) -> str:
        path = f"{self._place}/{name}"
        os.mkdir(path, 0o755)
        return path

    # -- kinds ----------------------------------------------------------------------------

    def _tmpfs(self, number: int, one: RunMount, target: str) -> None:
        _check_target(one, target)
        self._points.append(
            MountPoint(TMPFS, target, mode="exec", tmpfs_size=one.size, given=BY_MOUNT)
        )

    def _secret(self, number: int, one: RunMount, target: str) -> None:
        id = one.id or one.source or os.path.basename(one.target)
        data = self._site.secret(id)
        if data is None:
            if one.required:
                raise NotFound(
                    f"secret {id}: not found", hint=f"give it: --secret id={id},src=FILE"
                )
            return
        if one.env is not None:
            self._env.append(f"{one.env or id}={data.decode('utf-8', 'surrogateescape')}")
            if not target:
                return
        mode = _SECRET_MODE if one.mode is None else one.mode
        source = self._file(f"secret-{number}", data, mode, (one.uid or 0, one.gid or 0))
        self._add(source, target or f"{_SECRETS}/{id}", read_only=True)

    def _ssh(self, number: int, one: RunMount, target: str) -> None:
        id = one.id or "default"
        socket = dict(self._site.request.sockets).get(id, "")
        if not socket:
            if one.required:
                raise NotFound(f'no SSH key "{id}" forwarded from the client', hint="use --ssh")
            return
        target = target or f"{_AGENT}.{number}"
        self._add(socket, target, read_only=False)
        self._env.append(f"SSH_AUTH_SOCK={target}")

    def _cache(self, number: int, one: RunMount, target: str) -> None:
        _check_target(one, target)
        folder = CacheFolder(self._engine, one, one.id or target)
        self._stack.callback(folder.release)
        if folder.is_new and one.origin:
            self._fill(folder.path, number, one)
        self._add(folder.path, target, read_only=one.read_only)

    def _fill(self, path: str, number: int, one: RunMount) -> None:
        """Let a new cache begin as a folder of a stage."""
        from plugrun.layers.treecopy import copy_tree

        root = self._snapshot(f"origin-{number}", self._wanted.origin(one), writable=False)
        source = open_in_root(root, one.source or "/", os.O_RDONLY | os.O_DIRECTORY)
        target = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            copy_tree(source, target)
        finally:
            os.close(source)
            os.close(target)

    def _bind(self, number: int, one: RunMount, target: str) -> None:
        _check_target(one, target)
        place = f"bind-{number}"
        if one.origin:
            state = self._wanted.origin(one)
            root = self._snapshot(f"origin-{number}", state, writable=not one.read_only)
            try:
                found = open_in_root(root, one.source or "/", os.O_PATH)
            except OSError:
                raise _no_source(one) from None
            self._attach(found, place)
        else:
            self._bind_context(place, one, self._wanted.listing(number))
        self._add(f"{self._place}/{place}", target, read_only=one.read_only)

    def _bind_context(self, place: str, one: RunMount, listing: Listing) -> None:
        """Bind a part of the context: what is kept out of it stays so, and so does it as it is."""
        root, path = self._context(), listing.source.path
        if one.read_only and not (listing.source.is_folder and listing.left_out):
            self._attach(open_beneath(root, path, os.O_PATH), place)
        elif listing.source.is_folder:
            self._overlay(place, open_beneath(root, path, os.O_PATH), listing.left_out)
        else:
            # What is written goes to an overlay of the folder above, never to the file itself.
            above, _, name = path.rpartition("/")
            folder = self._overlay(f"{place}-above", open_beneath(root, above, os.O_PATH), ())
            merged = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._attach(open_beneath(merged, name, os.O_PATH), place)
            finally:
                os.close(merged)

    def _overlay(self, place: str, found: int, hidden: Sequence[str]) -> str:
        """Mount a folder so that writes to it go with the step; return where."""
        lower = self._folder(f"{place}-lower")
        self._attach(found, f"{place}-lower", made=True)
        upper, work = self._folder(f"{place}-upper"), self._folder(f"{place}-work")
        state = os.stat(lower)
        os.chmod(upper, state.st_mode & 0o7777)
        for path in hidden:
            _make_like(lower, upper, os.path.dirname(path))
            os.mknod(f"{upper}/{path}", 0o020000, 0)  # overlayfs's whiteout
        folder = self._folder(place)
        options = [
            folder_option("lowerdir", [lower]),
            folder_option("upperdir", [upper]),
            folder_option("workdir", [work]),
        ]
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mount_overlay(options, fd, folder)
        finally:
            os.close(fd)
        return folder

    def _context(self) -> int:
        """Open the context as this mount namespace has it: only that can be bound here."""
        fd = self._site.context_tree().fd
        path = os.readlink(f"/proc/self/fd/{fd}")
        again = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, again)
        one, other = os.fstat(fd), os.fstat(again)
        if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino):
            raise Conflict(f"the build context {path} was replaced meanwhile", hint="build again")
        return again

    def _attach(self, found: int, name: str, *, made: bool = False) -> None:
        """Bind what a descriptor is at a name of the bench; the descriptor is closed."""
        path = f"{self._place}/{name}"
        try:
            if not made and os.path.isdir(f"/proc/self/fd/{found}"):
                self._folder(name)
            elif not made:
                self._file(name, b"", 0o600)
            tree = mountfd.clone_tree(found, "")
        finally:
            os.close(found)
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            mountfd.attach(tree, place, path)
        finally:
            os.close(place)
            os.close(tree)

    def _snapshot(self, name: str, state: StageState, *, writable: bool) -> int:
        """Mount what a stage has come to; what is written there goes with the step."""
        if not state.top:
            raise NotFound("the stage to mount from has no files")
        self._site.have_unpacked(state)
        storage, key = self._engine.storage(), os.urandom(32).hex()
        mark(self._engine, key)
        self._stack.callback(unmark, self._engine, key)
        (storage.prepare if writable else storage.view)(key, state.top)
        self._stack.callback(_remove_snapshot, storage, key)
        path = self._folder(name)
        with ReadyMounts(storage.mounts(key)) as ready:
            ready.perform(path)
        self._stack.callback(umount, path, MNT_DETACH)
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stack.callback(os.close, root)
        return root


def _remove_snapshot(storage: object, key: str) -> None:
    try:
        storage.remove(key)  # type: ignore[attr-defined]
    except NoSuchSnapshot:
        return


def _make_like(lower: str, upper: str, path: str) -> None:
    """Make the folders above something in the upper folder, as they are in the lower one."""
    if not path or os.path.isdir(f"{upper}/{path}"):
        return
    _make_like(lower, upper, os.path.dirname(path))
    state = os.lstat(f"{lower}/{path}")
    os.mkdir(f"{upper}/{path}", 0o700)
    os.chmod(f"{upper}/{path}", state.st_mode & 0o7777)


def _check_target(one: RunMount, target: str) -> None:
    if not target or target == "/":
        raise InvalidArgument(f"invalid mount target {one.target!r}")


def _no_source(one: RunMount) -> NotFound:
    return NotFound(f'"{one.source}" not found in {one.origin}')
