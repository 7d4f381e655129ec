"""Where else a file of a lower layer is seen: all its names, found by reading the layer once.

Nothing on disk leads from an inode to its names, so the first copy-up of a file with several
walks the layer that it is in. Folders' entries tell inode numbers, so that nothing is asked of
the files themselves.
"""

from __future__ import annotations

import os

from plugrun_storage_fuse.server.layers import LOW
from plugrun_storage_fuse.server.nodes import Folder, Node
from plugrun_storage_fuse.server.union import Union

Path = list[bytes]


def visible_names(
    union: Union, node: Node, state: os.stat_result
) -> list[tuple[Folder, bytes]]:  # fmt: skip
    """Return the places where the union shows this very inode."""
    assert node.parent is not None
    union.layers.open(node.parent)
    layer = node.parent.layers[node.layer]
    if layer not in union.links:
        union.links[layer] = _links(union.root.low[union.root.layers.index(layer)])
    places = [_place(union, path) for path in union.links[layer].get(state.st_ino, [])]
    return [one for one in places if one is not None and _shows(union, one, node)]


def _shows(union: Union, place: tuple[Folder, bytes], node: Node) -> bool:
    found = union.layers.find(*place)
    if found is None or found[1] or union.key(found[0]) != node.real:
        union.table.release(place[0])
        return False
    union.table.name(node, place[0], place[1], found[2])
    return True


def _place(union: Union, path: Path) -> tuple[Folder, bytes] | None:
    folder = union.root
    for name in path[:-1]:
        found = union.look(folder, name)
        if found is None or not isinstance(found[0], Folder):
            union.table.release(folder)
            return None
        folder = found[0]
    return folder, path[-1]


def _links(top: int) -> dict[int, list[Path]]:
    """Walk a layer; return the paths of each inode that has more than one."""
    first: dict[int, Path] = {}
    links: dict[int, list[Path]] = {}
    stack: list[tuple[int, Path, list[bytes]]] = []
    try:
        stack.append((os.dup(top), [], _read(top, [], first, links)))
        while stack:
            fd, path, folders = stack[-1]
            if not folders:
                os.close(stack.pop()[0])
                continue
            name = folders.pop()
            inner = os.open(name, LOW, dir_fd=fd)
            stack.append((inner, [*path, name], []))
            stack[-1][2].extend(_read(inner, [*path, name], first, links))
    finally:
        for fd, _, _ in stack:
            os.close(fd)
    return links


def _read(fd: int, path: Path, first: dict[int, Path], links: dict[int, list[Path]]) -> list[bytes]:
    """Note a folder's entries; return the folders among them."""
    folders = []
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                folders.append(name)
                continue
            own = [*path, name]
            seen = first.setdefault(entry.inode(), own)
            if seen is not own:
                links.setdefault(entry.inode(), [seen]).append(own)
    return folders
