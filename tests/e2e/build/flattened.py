"""What is in an image that was saved: its config, and its files with all layers put together."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from typing import Any

_KEYS = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "OnBuild", "Shell",
         "StopSignal", "User", "Volumes", "WorkingDir")  # fmt: skip
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"

Tree = dict[str, tuple[Any, ...]]


def read_image(path: str) -> tuple[dict[str, Any], Tree]:
    """Return the config's keys that are set, and each path's type, mode, owner and content."""
    tree: Tree = {}
    with tarfile.open(path) as archive:
        manifest = json.loads(_file(archive, "manifest.json"))[0]
        document = json.loads(_file(archive, manifest["Config"]))
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_file(archive, name))) as layer:
                _apply(tree, layer)
    config = document["config"]
    found = {key: config[key] for key in _KEYS if config.get(key)}
    if document.get("author"):
        found["Author"] = document["author"]
    return found, tree


def _file(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def _apply(tree: Tree, layer: tarfile.TarFile) -> None:
    below = set(tree)
    for member in layer:
        path = posixpath.normpath("/" + member.name).replace("//", "/")
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            _remove(tree, below, folder, itself=False)
        elif name.startswith(_WHITEOUT):
            _remove(tree, below, posixpath.join(folder, name[len(_WHITEOUT) :]), itself=True)
        elif path != "/":
            if path in tree and not (member.isdir() and tree[path][0] == "folder"):
                _remove(tree, below, path, itself=True)
            tree[path] = _entry(tree, layer, member)


def _remove(tree: Tree, below: set[str], path: str, *, itself: bool) -> None:
    """Take away what lower layers have at a path; what this layer brings stays."""
    inside = path.rstrip("/") + "/"
    for one in [one for one in tree if one.startswith(inside) or (itself and one == path)]:
        if one in below:
            below.discard(one)
            del tree[one]


def _entry(tree: Tree, layer: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[Any, ...]:
    if member.islnk():
        return tree[posixpath.normpath("/" + member.linkname).replace("//", "/")]
    owner = (member.mode & 0o7777, member.uid, member.gid)
    if member.isdir():
        return ("folder", *owner)
    if member.issym():
        return ("link", member.uid, member.gid, member.linkname)
    if member.isreg():
        data = layer.extractfile(member)
        assert data is not None
        return ("file", *owner, hashlib.sha256(data.read()).hexdigest())
    return (member.type, *owner, member.devmajor, member.devminor)
