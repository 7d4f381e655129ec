"""``cp``: files between a container and this machine, or a tar stream.

A container's tree is read and written through descriptors alone, whatever its processes do to it
meanwhile (CVE-2018-15664), and nothing of it is executed or loaded (CVE-2019-14271).
"""

from __future__ import annotations

import contextlib
import os

from plugrun.engine.containers import find_container
from plugrun.engine.files.cpplaces import Side, find_source, find_target
from plugrun.engine.files.rootfs import rootfs
from plugrun.errors import Conflict, InvalidArgument
from plugrun.layers.filecopy import copy_data, write_data
from plugrun.layers.tarheader import BLOCK
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treeplace import Placer
from plugrun.layers.treeread import Reader, Walk, open_folder
from plugrun.linux.filesystem import is_kernels_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugrun.engine.engine import Engine
    from plugrun.engine.files.cpplaces import Found, Target
    from plugrun.layers.entry import Entry
    from plugrun.layers.tarstream import TarStream
    from plugrun.layers.treeread import Node
    from plugrun.model.container import Container
    from plugrun.model.idmap import IdMap

_PIECE = 1 << 20


def copy_out(
    engine: Engine, name: str, path: str, target: str, *, follow: bool, keep_owner: bool
) -> int:
    """Copy from a container to this machine; return how many bytes, as a tar would have them.

    What is made belongs to the user, unless owners are kept.
    """
    container = find_container(engine, name)
    owner = None if keep_owner else (os.geteuid(), os.getegid())
    with contextlib.ExitStack() as stack:
        tree = rootfs(engine, container)
        root = stack.enter_context(tree)
        source = find_source(Side(root, name), _given(path), follow=follow)
        stack.enter_context(source)
        place = stack.enter_context(find_target(Side(), target, source, target))
        placer = Placer(place.fd, _bytes(place), owner=owner)
        count = _copy(source, place, placer, tree.ids, inside=True)
    engine.emit_container("archive-path", container)
    return count


def copy_in(
    engine: Engine, source: str, name: str, path: str, *, follow: bool, keep_owner: bool
) -> int:
    """Copy from this machine into a container; return how many bytes, as a tar would have them.

    What is made belongs to root, unless owners are kept.
    """
    container = find_container(engine, name)
    owner = None if keep_owner else (0, 0)
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(find_source(Side(), source, follow=follow))
        tree = rootfs(engine, container)
        root = stack.enter_context(tree)
        place = find_target(Side(root, name), _given(path), found, f"{name}:{path}")
        stack.enter_context(place)
        _check_writable(container, root, place)
        stack.enter_context(_as_its_root(tree.ids))
        count = _copy(found, place, Placer(place.fd, _bytes(place), root, owner, tree.ids))
    engine.emit_container("extract-to-dir", container)
    return count


def copy_out_tar(engine: Engine, name: str, path: str, fd: int, *, follow: bool) -> None:
    """Write what is copied from a container as a tar stream."""
    container = find_container(engine, name)
    sink = TarSink(fd)
    with contextlib.ExitStack() as stack:
        tree = rootfs(engine, container)
        root = stack.enter_context(tree)
        source = find_source(Side(root, name), _given(path), follow=follow)
        stack.enter_context(source)
        for entry, data in _entries(source, tree.ids, inside=True):
            sink.add(entry, data)
    sink.finish()
    engine.emit_container("archive-path", container)


def copy_in_tar(engine: Engine, name: str, path: str, fd: int, *, keep_owner: bool) -> None:
    """Extract a tar stream, compressed or not, into a folder of a container."""
    from plugrun.engine.images.importing import plain_pieces, refuse_folder
    from plugrun.layers.failures import found_in
    from plugrun.layers.tarstream import TarStream

    refuse_folder(fd)
    container = find_container(engine, name)
    owner = None if keep_owner else (0, 0)
    with contextlib.ExitStack() as stack:
        tree = rootfs(engine, container)
        root = stack.enter_context(tree)
        place = find_target(Side(root, name), _given(path), None, f"{name}:{path}")
        stack.enter_context(place)
        _check_writable(container, root, place)
        stream = TarStream(plain_pieces(engine, iter(lambda: os.read(fd, _PIECE), b"")))
        stack.enter_context(_as_its_root(tree.ids))
        with (
            found_in("standard input"),
            Placer(place.fd, _bytes(place), root, owner, tree.ids) as placer,
        ):
            while (entry := stream.next()) is not None:
                placer.put(entry, _from_stream(stream, entry))
    engine.emit_container("extract-to-dir", container)


def _given(path: str) -> str:
    if not path:
        raise InvalidArgument("bad parameter: path cannot be empty")
    return path


def _bytes(place: Target) -> bytes:
    return os.fsencode(place.path)


def _as_its_root(ids: IdMap | None) -> contextlib.AbstractContextManager[None]:
    """Make files as a user that the tree knows: in a user namespace's the host's root is nobody."""
    if ids is None:
        return contextlib.nullcontext()
    from plugrun.linux.idmap import ActingAs

    return ActingAs(*ids.owner_outside(0, 0))


def _copy(
    source: Found, place: Target, placer: Placer, ids: IdMap | None = None, *, inside: bool = False
) -> int:
    size = 2 * BLOCK
    if place.name:
        # Contents of a folder, too, make a folder where there is none yet.
        source.node.path = place.name
    with placer:
        for entry, data in _entries(source, ids, inside=inside):
            size += BLOCK + entry.stored + -entry.stored % BLOCK
            placer.put(entry, _from_file(data, entry))
    return size


def _entries(source: Found, ids: IdMap | None, *, inside: bool) -> Iterator[tuple[Entry, int]]:
    """Yield a source and what is in it; the descriptors of data are closed here.

    Of a source ``inside`` a container the folders are yielded that the kernel's file systems are
    mounted on, and /dev, but nothing in them: what they show is no file of the container's.
    """
    reader = Reader(ids)
    node = source.node
    yield from _read(reader, node)
    if not node.is_folder:
        return
    below = open_folder(node.parent, node.name)
    if below < 0:
        raise Conflict(f"{os.fsdecode(node.path)} is no folder any more")
    try:
        if inside and is_kernels_own(below):
            return
        walk = Walk(below, node.path)
        for one in walk:
            yield from _read(reader, one)
            if inside and one.is_folder and _is_systems(source, one):
                walk.skip()
    finally:
        os.close(below)


def _is_systems(source: Found, node: Node) -> bool:
    """Whether a file system of the kernel's, or /dev, is mounted on a folder."""
    if os.fstat(node.parent).st_dev == node.state.st_dev:
        return False
    if source.is_root and node.path == source.node.path + b"/dev":
        return True
    fd = open_folder(node.parent, node.name)
    if fd < 0:
        return True  # it has gone
    try:
        return is_kernels_own(fd)
    finally:
        os.close(fd)


def _read(reader: Reader, node: Node) -> Iterator[tuple[Entry, int]]:
    found = reader.read(node, node.path)
    if found is None:
        return
    try:
        yield found
    finally:
        if found[1] >= 0:
            os.close(found[1])


def _from_file(data: int, entry: Entry) -> Callable[[int], None]:
    return lambda target: copy_data(data, target, entry)


def _from_stream(stream: TarStream, entry: Entry) -> Callable[[int], None]:
    return lambda target: write_data(stream, target, entry)


def _check_writable(container: Container, root: int, place: Target) -> None:
    """Refuse what is read-only, in Docker's words; a stopped container's root as well."""
    read_only = bool(os.fstatvfs(place.fd).f_flag & os.ST_RDONLY)
    is_own = _mount_id(root) == _mount_id(place.fd)
    if is_own and (container.read_only or read_only):
        raise Conflict("container rootfs is marked read-only")
    if read_only:
        raise Conflict("mounted volume is marked read-only")


def _mount_id(fd: int) -> bytes:
    """Tell mounts apart: a volume may lie on the file system of the container's own files."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        return next(line for line in file if line.startswith(b"mnt_id:"))
