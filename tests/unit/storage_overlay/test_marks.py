"""Marks by trusted and by user attributes: chosen once, and never mistaken for each other."""

from __future__ import annotations

import os

import pytest
from plugrun.errors import Conflict, Corrupt
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_USERXATTR
from plugrun.layers.changes import told
from plugrun.layers.layerchanges import layer_changes
from plugrun.testing.forked import in_child, mounted
from plugrun_storage_overlay.plugin import plugrun_open_storage

from tests.unit.storage_overlay.userns import as_mapped_root

pytestmark = pytest.mark.root


@pytest.fixture(params=["trusted", "user"])
def inside(request):
    """Run as the host's root, or as a user namespace's."""
    return in_child if request.param == "trusted" else as_mapped_root


def base(storage):
    """Commit a layer of a few files."""
    storage.prepare("unpack", None)
    top = storage.layer_tree("unpack").path
    for path in ("folder/old", "folder/deep/file", "gone", "kept"):
        os.makedirs(os.path.dirname(f"{top}/{path}"), exist_ok=True)
        with open(f"{top}/{path}", "w"):
            pass
    storage.commit("base", "unpack")


def renew(root):
    """Delete a file, and a folder of which a new one is made."""
    for path in ("gone", "folder/old", "folder/deep/file"):
        os.unlink(f"{root}/{path}")
    for path in ("folder/deep", "folder"):
        os.rmdir(f"{root}/{path}")
    os.mkdir(f"{root}/folder")


def names(root):
    return sorted(
        os.path.relpath(f"{folder}/{name}", root)
        for folder, folders, files in os.walk(root)
        for name in folders + files
    )


def shown(tree):
    return [(c.kind, c.path.decode()) for c in told(layer_changes(tree), all_files=True)]


def test_a_layer_s_life(tmp_path, inside):
    root, place = str(tmp_path / "state"), str(tmp_path)

    def live():
        storage = plugrun_open_storage(root)
        base(storage)
        storage.prepare("box", "base")
        mounted(storage.mounts("box"), place, renew)
        changes = shown(storage.layer_tree("box"))
        style = storage.layer_tree("box").whiteouts
        storage.commit("next", "box")
        storage.prepare("second", "next")
        storage.view("view", "next")
        trees = [mounted(storage.mounts(key), place, names) for key in ("second", "view")]
        return style, changes, trees

    style, changes, trees = inside(live)
    assert style == (WHITEOUT_OVERLAYFS if inside is in_child else WHITEOUT_USERXATTR)
    assert ("D", "gone") in changes
    assert ("D", "folder/old") in changes
    assert trees == [["folder", "kept"]] * 2


def test_the_host_s_root_goes_on_with_user_marks(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))

    def begin():
        base(storage)
        storage.prepare("box", "base")
        mounted(storage.mounts("box"), str(tmp_path), renew)
        storage.commit("next", "box")

    as_mapped_root(begin)
    storage.prepare("box", "next")
    assert storage.layer_tree("box").whiteouts == WHITEOUT_USERXATTR
    assert mounted(storage.mounts("box"), str(tmp_path), names) == ["folder", "kept"]


@pytest.mark.parametrize("verb", ["prepare", "mounts", "layer_tree"])
def test_trusted_marks_are_not_misread(tmp_path, verb):
    root = str(tmp_path / "state")
    storage = plugrun_open_storage(root)
    base(storage)
    storage.prepare("box", "base")
    acts = {
        "prepare": lambda one: one.prepare("another", "base"),
        "mounts": lambda one: one.mounts("box"),
        "layer_tree": lambda one: one.layer_tree("box"),
    }

    def act():
        with pytest.raises(Conflict, match=r"which cannot be read here \(in a user name"):
            acts[verb](plugrun_open_storage(root))

    as_mapped_root(act)


def test_a_root_older_than_the_record(tmp_path):
    """Only the host's root made such."""
    root = str(tmp_path / "state")
    storage = plugrun_open_storage(root)
    base(storage)
    os.unlink(f"{root}/marks")
    storage = plugrun_open_storage(root)

    def refused():
        with pytest.raises(Conflict, match="cannot be read here"):
            plugrun_open_storage(root).prepare("box", "base")

    as_mapped_root(refused)
    assert not os.path.exists(f"{root}/marks")
    storage.prepare("box", "base")
    assert storage.layer_tree("box").whiteouts == WHITEOUT_OVERLAYFS
    with open(f"{root}/marks") as file:
        assert file.read() == "trusted\n"


def test_a_damaged_record(tmp_path):
    root = str(tmp_path / "state")
    storage = plugrun_open_storage(root)
    base(storage)
    with open(f"{root}/marks", "w") as file:
        file.write("treated")
    with pytest.raises(Corrupt, match="must hold the word trusted or user"):
        plugrun_open_storage(root).prepare("box", "base")


def mark_by_attribute(top, prefix, *, parent_marks):
    """Delete as overlayfs's other way has it: empty files, in folders that say so."""
    os.makedirs(f"{top}/folder")
    for folder, name in ((top, "gone"), (f"{top}/folder", "old")):
        path = f"{folder}/{name}"
        with open(path, "w"):
            pass
        os.setxattr(path, f"{prefix}whiteout", b"")
        if parent_marks:
            os.setxattr(folder, f"{prefix}opaque", b"x")


@pytest.mark.parametrize("parent_marks", [True, False])
def test_whiteouts_by_attribute(tmp_path, inside, parent_marks):
    """Linux 6.7 reads them, and so do a layer's changes; a folder's ``x`` is not opaque."""
    root, place = str(tmp_path / "state"), str(tmp_path)
    prefix = "trusted.overlay." if inside is in_child else "user.overlay."

    def live():
        storage = plugrun_open_storage(root)
        base(storage)
        storage.prepare("unpack", "base")
        tree = storage.layer_tree("unpack")
        mark_by_attribute(tree.path, prefix, parent_marks=parent_marks)
        changes = shown(tree)
        storage.commit("next", "unpack")
        storage.prepare("box", "next")
        paths = ("gone", "kept", "folder/old", "folder/deep/file")

        def there(root):
            return [path for path in paths if os.path.lexists(f"{root}/{path}")]

        above = shown(storage.layer_tree("box"))
        return changes, mounted(storage.mounts("box"), place, there), above

    changes, there, above = inside(live)
    assert [c for c in changes if c[0] == "D"] == [("D", "folder/old"), ("D", "gone")]
    assert not any(kind == "A" for kind, _ in changes)
    assert there == ["kept", "folder/deep/file"]
    assert above == []
