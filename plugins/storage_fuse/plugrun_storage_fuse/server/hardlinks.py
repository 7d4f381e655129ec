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
    """Return the places where the union shows this very inode; to be given to ``unpin``."""
    assert node.parent is not None
    union.layers.open(node.parent)
    layer = node.parent.layers[node.layer]
    if layer not in union.links:
        union.links[layer] = _links(union.root.low[union.root.layers.index(layer)])
    places = []
    for path in union.links[layer].get(state.st_ino, []):
        folder = _folder(union, path)
        if folder is not None:
            folder.kids += 1
            places.append((folder, path[-1]))
    return [one for one in places if _shows(union, one, node)]


def unpin(union: Union, places: list[tuple[Folder, bytes]]) -> None:
    """Let go of the folders of such places."""
    for folder, _ in places:
        folder.kids -= 1
        union.table.release(folder)


def _shows(union: Union, place: tuple[Folder, bytes], node: Node) -> bool:
    found = union.layers.find(*place)
    if found is None or found[1] or union.key(found[0]) != node.real:
        unpin(union, [place])
        return False
    return True


def _folder(union: Union, path: Path) -> Folder | None:
    """Return the folder that the union shows where a path's last name lies."""
    folder = union.root
    for name in path[:-1]:
        found = union.look(folder, name)
        if found is None or not isinstance(found[0], Folder):
            union.table.release(found[0] if found else folder)
            return None
        folder = found[0]
    return folder


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
