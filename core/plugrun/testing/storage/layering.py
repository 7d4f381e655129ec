"""Layers as images have them, unpacked and put on each other; and layers made from changes."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from plugrun.interfaces.storage import INDEPENDENT_LAYERS, Storage
from plugrun.layers.implied import complete
from plugrun.layers.layerchanges import layer_changes
from plugrun.layers.layertar import write_layer
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treechanges import tree_changes
from plugrun.layers.unpack import unpack_layer
from plugrun.testing.forked import in_child, mounted
from plugrun.testing.storage.fixtures import Look, StorageFixtures
from plugrun.testing.trees import facts, text_of, write

if TYPE_CHECKING:
    from pathlib import Path

_TIME = 1_234_567_890
_TYPES = {"/": tarfile.DIRTYPE, "@": tarfile.SYMTYPE, "=": tarfile.LNKTYPE, "|": tarfile.FIFOTYPE}

Entry = str | tuple[str, str]


def tar_of(entries: Sequence[Entry]) -> bytes:
    """Make a layer of names, or names with contents.

    A name that ends in ``/`` is a folder; in ``@`` a symlink, ``=`` a hard link, ``|`` a FIFO.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            name, text = entry if isinstance(entry, tuple) else (entry, "")
            info = tarfile.TarInfo(name.rstrip("/@=|"))
            info.type = _TYPES.get(name[-1], tarfile.REGTYPE)
            info.mtime = _TIME
            info.mode = 0o755 if name.endswith("/") else 0o644
            data = text.encode()
            if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname, data = text, b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def apply_layers(storage: Storage, folder: str, *layers: Sequence[Entry]) -> str | None:
    """Unpack layers as the core does; return the key of the topmost."""
    parent = None
    for number, entries in enumerate(layers):
        blob, name = f"{folder}/{number}.tar", f"layer-{number}"
        with open(blob, "wb") as file:
            file.write(tar_of(entries))
        storage.prepare("unpack", parent)
        tree = storage.layer_tree("unpack")
        told = in_child(lambda: unpack_layer(blob, tree.path, tree.whiteouts))  # noqa: B023
        if INDEPENDENT_LAYERS in storage.capabilities:
            complete(tree, told)
        storage.commit(name, "unpack")
        parent = name
    return parent


def contents(root: str) -> dict[str, str]:
    """Return the files of a tree and what is in them; folders have a slash at the end."""
    found = {}
    for path, (mode, *_) in facts(root).items():
        assert isinstance(mode, int)
        is_file = stat.S_ISREG(mode)
        found[path.lstrip("/") + ("" if is_file else "/")] = (
            text_of(f"{root}/{path}") if is_file else ""
        )
    return found


_RULES: dict[str, tuple[list[list[Entry]], dict[str, str]]] = {
    "a whiteout spares its own layer": (
        [[("a", "old"), ("b", "old")], [".wh.a", ("a", "new"), ("b", "new"), ".wh.b"]],
        {"a": "new", "b": "new"},
    ),
    "a whiteout of a folder spares what its own layer puts there": (
        [["d/", "d/e/", "d/e/old", "d/old"], ["d/", ("d/new", "x"), ".wh.d"]],
        {"d/": "", "d/new": "x"},
    ),
    "an opaque mark comes first": (
        [["d/", "d/old", ("d/both", "1")], ["d/.wh..wh..opq", ("d/both", "2"), "d/new"]],
        {"d/": "", "d/both": "2", "d/new": ""},
    ),
    "an opaque mark comes last": (
        [["d/", "d/old", ("d/both", "1")], ["d/", ("d/both", "2"), "d/new", "d/.wh..wh..opq"]],
        {"d/": "", "d/both": "2", "d/new": ""},
    ),
    "an opaque mark reaches into what lies deeper": (
        [["d/", "d/e/", "d/e/old", "d/f/", "d/f/old"], ["d/.wh..wh..opq", "d/e/", "d/e/new"]],
        {"d/": "", "d/e/": "", "d/e/new": ""},
    ),
    "everything is hidden": (
        [["a", "d/", "d/b"], [".wh..wh..opq", "c"]],
        {"c": ""},
    ),
    "a folder is deleted and comes back empty": (
        [["d/", "d/old"], [".wh.d"], ["d/", "d/new"]],
        {"d/": "", "d/new": ""},
    ),
    "a file in place of a folder, and back": (
        [["d/", "d/old", "d/e/", "d/e/old"], [("d", "file")], ["d/", "d/e/", "d/e/new"]],
        {"d/": "", "d/e/": "", "d/e/new": ""},
    ),
    "a folder in place of a file, and back": (
        [[("a", "1")], ["a/", "a/b"], [("a", "3")]],
        {"a": "3"},
    ),
    "a symlink in place of a folder": (
        [["d/", "d/old", "e/", "e/kept"], [("d@", "e")]],
        {"d/": "", "e/": "", "e/kept": ""},
    ),
    "what was whited out below stays so": (
        [["d/", "d/a", "d/b"], ["d/.wh.a"], ["d/c"], ["d/.wh.b"]],
        {"d/": "", "d/c": ""},
    ),
    "a whiteout of nothing": ([["a"], [".wh.b", "d/", "d/.wh.c"]], {"a": "", "d/": ""}),
}


class LayeringContract(StorageFixtures):
    """Layers as images have them."""

    @pytest.mark.parametrize("rule", _RULES)
    def test_layers_are_put_on_each_other(
        self, storage: Storage, look: Look[dict[str, str]], tmp_path: Path, rule: str
    ) -> None:
        layers, expected = _RULES[rule]
        top = apply_layers(storage, str(tmp_path), *layers)
        assert top is not None
        storage.view("look", top)
        storage.prepare("box", top)
        assert look("look", contents) == look("box", contents) == expected

    def test_names_of_one_file_stay_one(
        self, storage: Storage, look: Look[list[str]], tmp_path: Path
    ) -> None:
        layer: list[Entry] = ["d/", ("d/a", "text"), ("b=", "d/a"), ("c=", "b"), ("d/e=", "d/a")]
        top = apply_layers(storage, str(tmp_path), layer, ["f"])
        assert top is not None
        storage.prepare("box", top)

        def names(root: str) -> list[str]:
            paths = [f"{root}/{name}" for name in ("d/a", "b", "c", "d/e")]
            assert all(os.path.samefile(paths[0], path) for path in paths)
            assert os.stat(paths[0]).st_nlink == 4
            return [text_of(path) for path in paths]

        assert look("box", names) == ["text"] * 4

    def test_a_layer_of_changes_has_one_digest(
        self, storage: Storage, look: Look[None], tmp_path: Path
    ) -> None:
        """Whichever storage it is made from."""
        first: list[Entry] = ["d/", ("d/a", "a"), ("d/b", "b"), "e/", "e/f/", "e/f/x", "e/y"]
        first += ["g/", "g/h/", "g/h/x", "g/kept", ("s@", "d/a"), "p|", "gone", ("m", "moved")]
        first += ["r/", "r/x", "r/z/", "r/z/y", ("kept", "kept"), ("w", "written")]
        second: list[Entry] = [("d/b", "second"), "d/c", ".wh.gone", "e/f/.wh..wh..opq", "e/f/z"]
        top = apply_layers(storage, str(tmp_path), first, second)
        assert top is not None
        storage.prepare("box", top)
        look("box", _change)
        storage.view("below", top)
        digest = layer_digest(storage, "box", "below", str(tmp_path))
        assert digest == _DIGEST


_DIGEST = "sha256:1821f7455fa38cc2d758e728772a2c57366bb995c8462718c4341508fdce66d7"


def _change(root: str) -> None:
    """Make the changes whose layer is known."""
    write(f"{root}/new", "new")
    write(f"{root}/d/a", "changed")
    write(f"{root}/w", "written again, and longer")
    os.chmod(f"{root}/d/b", 0o4750)
    os.chown(f"{root}/kept", 12, 34)
    os.unlink(f"{root}/d/c")
    os.rename(f"{root}/m", f"{root}/e/m")
    os.unlink(f"{root}/s")
    os.symlink("x" * 200, f"{root}/s")
    os.unlink(f"{root}/g/h/x")
    os.rmdir(f"{root}/g/h")
    _replace_folder(f"{root}/r")
    os.mkdir(f"{root}/ü" + "n" * 200)
    os.mkfifo(f"{root}/fifo", 0o640)
    os.mknod(f"{root}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.link(f"{root}/new", f"{root}/d/new")
    os.setxattr(f"{root}/new", "user.binary", b"\0\n=\xff")
    with open(f"{root}/holes", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x" * 4096)
    for folder, folders, files in os.walk(root, topdown=False):
        for name in folders + files:
            path = f"{folder}/{name}"
            if os.lstat(path).st_mtime_ns != _TIME * 10**9:
                os.utime(path, (_TIME + 1, _TIME + 1), follow_symlinks=False)


def _replace_folder(path: str) -> None:
    """Remove a folder of the image and make one of its name, with a part of what was in it."""
    for name in ("x", "z/y"):
        os.unlink(f"{path}/{name}")
    os.rmdir(f"{path}/z")
    os.rmdir(path)
    os.makedirs(f"{path}/z")
    write(f"{path}/new", "in the new folder")


def layer_digest(storage: Storage, box: str, below: str, folder: str) -> str:
    """Return the digest of the layer that holds what ``box`` changed in what ``below`` shows."""

    def write_changes(now: str, before: str) -> str:
        sink_fd = os.open(f"{folder}/layer.tar", os.O_WRONLY | os.O_CREAT, 0o600)
        sink = TarSink(sink_fd, hashed=True)
        if INDEPENDENT_LAYERS in storage.capabilities:
            tree = storage.layer_tree(box)
            write_layer(layer_changes(tree), sink)
        else:
            fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (before, now)]
            write_layer(tree_changes(fds[0], fds[1]), sink)
        return sink.digest

    places = [f"{folder}/now", f"{folder}/before"]
    for place in places:
        os.mkdir(place)

    def with_both(now: str) -> str:
        return mounted(storage.mounts(below), places[1], lambda before: write_changes(now, before))

    return mounted(storage.mounts(box), places[0], with_both)
