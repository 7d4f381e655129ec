"""What is fuse's own: the mount that a program serves."""

from __future__ import annotations

import pytest
from plugrun.model.mount import Mount
from plugrun_storage_fuse.plugin import plugrun_open_storage
from plugrun_storage_fuse.server import argv

pytestmark = pytest.mark.root


def test_mounts(tmp_path):
    root = f"{tmp_path}/with:colon,comma\\and backslash"
    storage = plugrun_open_storage(root)
    storage.prepare("one", None)
    only = storage.layer_tree("one").path
    assert storage.mounts("one") == (Mount("bind", only, ("bind", "rw")),)
    storage.commit("base", "one")
    storage.prepare("two", "base")
    storage.commit("top", "two")
    storage.prepare("box", "top")
    tree = storage.layer_tree("box")
    work = tree.path.replace("/l/", "/w/")
    assert storage.mounts("box") == (
        Mount("fuse", "plugrun-fuse", helper=argv(tree.lower, tree.path, work)),
    )
    storage.view("look", "top")
    assert storage.mounts("look") == (
        Mount("fuse", "plugrun-fuse", ("ro",), helper=argv(tree.lower, "", "")),
    )


def test_a_store_of_overlay_s_is_of_the_same_form(tmp_path):
    """Layers made by one could be read by the other; each has a folder of its own all the same."""
    from plugrun_storage_overlay.plugin import plugrun_open_storage as open_overlay

    root = str(tmp_path / "state")
    made = open_overlay(root)
    made.prepare("unpack", None)
    made.commit("base", "unpack")
    storage = plugrun_open_storage(root)
    assert [found.key for found in storage.walk()] == ["base"]
    storage.prepare("box", "base")
    assert storage.layer_tree("box").lower == made.layer_tree("box").lower
