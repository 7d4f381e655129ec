"""What a stack of layers means, in memory: image-spec layer.md as a few dictionaries.

A layer's own entries make a tree in order; what it hides of lower layers is a set of paths. Both
are independent of each other, which is the point of the specification's rules.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

from tests.unit.layers.made import Made


class Refused(Exception):
    """No tree comes of this layer."""


@dataclass(frozen=True)
class Node:
    kind: int
    mode: int | None  # None: an implied folder
    uid: int
    mtime_ns: int | None  # None: nobody said
    content: str
    inode: int


Tree = dict[str, Node]
_KINDS = {
    "file": stat.S_IFREG, "folder": stat.S_IFDIR, "symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO,
}  # fmt: skip
_inodes = iter(range(1, 1 << 60))


def empty() -> Tree:
    return {"": Node(stat.S_IFDIR, 0o755, 0, None, "", 0)}


def stack(lower: Tree, entries: list[Made]) -> Tree:
    layer = _Layer(lower)
    for entry in entries:
        layer.add(entry)
    return layer.merged()


def _beneath(path: str, top: str) -> bool:
    return path.startswith(f"{top}/") if top else path != ""


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


class _Layer:
    def __init__(self, lower: Tree) -> None:
        self.lower = lower
        self.own: Tree = {"": _implied()}
        self.hidden: set[str] = set()
        self.opaque: set[str] = set()

    def add(self, entry: Made) -> None:
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if not parts:
            self.own[""] = _node(entry)
            return
        folder = self.folder(parts[:-1], make=True)
        name = parts[-1]
        path = _join(folder, name)
        if name == ".wh..wh..opq":
            self.opaque.add(folder)
        elif name.startswith(".wh."):
            self.hidden.add(_join(folder, name[4:]))
        elif entry.kind == "folder":
            if path in self.own and not stat.S_ISDIR(self.own[path].kind):
                self.clear(path)
            self.own[path] = _node(entry)
        elif entry.kind == "link":
            self.link(path, entry)
        else:
            self.clear(path)
            self.own[path] = _node(entry)

    def link(self, path: str, entry: Made) -> None:
        parts = [part for part in entry.data.split("/") if part]
        target = _join(self.folder(parts[:-1], make=False), parts[-1])
        if target != path:
            self.clear(path)
        found = self.own.get(target)
        if found is None or stat.S_ISDIR(found.kind):
            raise Refused
        self.own[path] = found

    def clear(self, path: str) -> None:
        """Something that is no folder comes here, or was here."""
        self.hidden.add(path)
        for gone in [p for p in self.own if p == path or _beneath(p, path)]:
            del self.own[gone]

    def folder(self, parts: list[str], *, make: bool) -> str:
        at: list[str] = []
        todo = parts[::-1]
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = at[:-1]
                continue
            path = "/".join([*at, part])
            node = self.own.get(path)
            if node is None:
                if not make:
                    raise Refused
                self.own[path] = _implied()
            elif stat.S_ISLNK(node.kind):
                links += 1
                if links > 40:
                    raise Refused
                if node.content.startswith("/"):
                    at = []
                todo.extend(node.content.split("/")[::-1])
                continue
            elif not stat.S_ISDIR(node.kind):
                raise Refused
            at.append(part)
        return "/".join(at)

    def merged(self) -> Tree:
        seen = {path: node for path, node in self.lower.items() if self.shows(path)}
        for path in [
            p for p in seen if any(_beneath(p, q) and not _is_folder(n) for q, n in seen.items())
        ]:
            del seen[path]
        result = dict(seen)
        for path, node in self.own.items():
            below = seen.get(path)
            if node.mode is not None:
                result[path] = node
            elif below is None or not _is_folder(below):
                result[path] = Node(stat.S_IFDIR, 0o755, 0, None, "", node.inode)
        return result

    def shows(self, path: str) -> bool:
        return not (
            any(path == q or _beneath(path, q) for q in self.hidden)
            or any(_beneath(path, q) for q in self.opaque)
        )


def _is_folder(node: Node) -> bool:
    return stat.S_ISDIR(node.kind)


def _implied() -> Node:
    return Node(stat.S_IFDIR, None, 0, None, "", next(_inodes))


def _node(entry: Made) -> Node:
    kind = _KINDS[entry.kind]
    mode = 0o777 if kind == stat.S_IFLNK else entry.mode
    return Node(kind, mode, entry.uid, entry.mtime * 10**9, entry.data, next(_inodes))


def shown(tree: Tree) -> dict[str, tuple]:
    """Return a tree in the form of ``made.look``; the mtime is None where nobody said."""
    names: dict[int, list[str]] = {}
    for path, node in tree.items():
        names.setdefault(node.inode, []).append(path)
    return {
        path: (
            n.kind,
            n.mode,
            n.uid,
            n.mtime_ns,
            n.content if n.kind in (stat.S_IFREG, stat.S_IFLNK) else "",
            tuple(sorted(names[n.inode])),
        )
        for path, n in tree.items()
    }
