"""The verbs over a stack of layers: limits, damaged records, what the kernel refuses."""

from __future__ import annotations

import os
import subprocess

import pytest
from plugrun.errors import Conflict, Corrupt, NoSuchSnapshot
from plugrun.model.mount import Mount
from plugrun.snapshots.layerstack import LayerStack

pytestmark = pytest.mark.root


class Stack(LayerStack):
    def union(self, lower, upper, work):
        return Mount("union", "", (*lower, upper, work))


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "state")


@pytest.fixture
def storage(root):
    return Stack(root)


def commit(storage, name, parent=None):
    storage.prepare("unpack", parent)
    storage.commit(name, "unpack")


def test_opening_touches_nothing(storage, root):
    assert list(storage.walk()) == []
    assert storage.sweep() == 0
    assert not os.path.exists(root)


def test_what_a_union_is_made_of(storage, root):
    commit(storage, "one")
    commit(storage, "two", "one")
    storage.prepare("box", "two")
    storage.view("look", "two")
    tree = storage.layer_tree("box")
    work = f"{root}/w/{os.path.basename(tree.path)}"
    assert storage.mounts("box") == (Mount("union", "", (*tree.lower, tree.path, work)),)
    assert os.listdir(work) == []
    assert storage.mounts("look") == (Mount("union", "", (*tree.lower, "", "")),)


def test_one_layer_needs_no_union(storage):
    storage.prepare("box", None)
    path = storage.layer_tree("box").path
    assert storage.mounts("box") == (Mount("bind", path, ("bind", "rw")),)
    storage.commit("one", "box")
    storage.view("look", "one")
    assert storage.mounts("look") == (Mount("bind", path, ("bind", "ro")),)


def test_a_committed_snapshot_cannot_be_mounted_itself(storage):
    commit(storage, "one")
    with pytest.raises(Conflict, match="a view of it can be mounted"):
        storage.mounts("one")


def test_more_layers_than_overlay_takes(storage, root):
    commit(storage, "base")
    path = f"{root}/c/base"
    with open(path) as file:
        lines = file.read().split("\n")
    lines[4] = ":".join(["aaaa"] * 500)
    with open(path, "w") as file:
        file.write("\n".join(lines))
    with pytest.raises(Conflict, match="501 layers"):
        storage.prepare("box", "base")


@pytest.mark.parametrize("text", ["", "\0" * 40, "2\na\n1\n\n\n", "1\na\nx\n\n\n", "1\na"])
def test_a_damaged_record_is_told_and_its_files_are_kept(storage, root, text):
    commit(storage, "base")
    storage.prepare("box", "base")
    storage.prepare("other", "base")
    with open(f"{root}/a/box", "w") as file:
        file.write(text)
    with pytest.raises(Corrupt, match=f"damaged: {root}/a/box"):
        storage.mounts("box")
    assert storage.sweep() == 0
    assert [s.key for s in storage.walk()] == ["base", "other"]
    with pytest.raises((Conflict, Corrupt)):  # whichever of those above it is looked at first
        storage.remove("base")
    assert len(os.listdir(f"{root}/l")) == 3
    storage.remove("box")
    assert storage.sweep() > 0
    assert [s.key for s in storage.walk()] == ["base", "other"]
    assert os.listdir(f"{root}/w") == [os.path.basename(storage.layer_tree("other").path)]
    assert len(os.listdir(f"{root}/l")) == 2


def test_layers_beneath_others_outlive_their_own_damaged_record(storage, root):
    commit(storage, "base")
    storage.prepare("box", "base")
    [below] = storage.layer_tree("box").lower
    os.truncate(f"{root}/c/base", 0)
    storage.sweep()
    assert os.path.isdir(below)
    assert storage.stat("box").parent is None


def test_short_names_may_run_out(storage, monkeypatch):
    monkeypatch.setattr(os, "urandom", bytes)
    storage.prepare("a", None)
    storage.prepare("b", None)
    ids = [os.path.basename(storage.layer_tree(key).path) for key in "ab"]
    assert ids == ["0000", "00000"]


def test_an_immutable_file_is_told(storage, root):
    storage.prepare("box", None)
    path = f"{storage.layer_tree('box').path}/stone"
    os.close(os.open(path, os.O_CREAT))
    if subprocess.run(["chattr", "+i", path], capture_output=True).returncode:
        pytest.skip("no immutable files on this file system")
    try:
        with pytest.raises(Conflict, match=r"'stone' beneath .*: it is immutable") as caught:
            storage.remove("box")
        assert "chattr" in caught.value.hint
        with pytest.raises(NoSuchSnapshot):
            storage.stat("box")
        storage.sweep()
        assert os.path.exists(path)
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    storage.sweep()
    assert storage.sweep() == 0
    assert os.listdir(f"{root}/l") == []


def test_the_upper_root_takes_xattrs_but_not_overlay_s_own(storage):
    storage.prepare("unpack", None)
    path = storage.layer_tree("unpack").path
    os.setxattr(path, "user.kept", b"\0x")
    os.setxattr(path, "trusted.overlay.opaque", b"y")
    storage.commit("base", "unpack")
    storage.prepare("box", "base")
    assert os.listxattr(storage.layer_tree("box").path) == ["user.kept"]
