"""What is overlay's own: its mount options."""

from __future__ import annotations

import os

import pytest
from plugrun.testing.forked import mounted
from plugrun_storage_overlay.plugin import plugrun_open_storage

pytestmark = pytest.mark.root


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "state")


@pytest.fixture
def storage(root):
    return plugrun_open_storage(root)


def commit(storage, name, parent=None):
    storage.prepare("unpack", parent)
    storage.commit(name, "unpack")


def test_mount_options(storage, root):
    commit(storage, "one")
    commit(storage, "two", "one")
    storage.prepare("box", "two")
    storage.view("look", "two")
    [mount] = storage.mounts("box")
    lower, upper, work, *features = mount.options
    assert mount.type == "overlay"
    assert features == ["index=off", "metacopy=off", "redirect_dir=off"]
    tree = storage.layer_tree("box")
    assert lower == "lowerdir=" + ":".join(tree.lower)
    assert upper == f"upperdir={tree.path}"
    assert len(os.path.relpath(tree.path, root)) == len("l/abcd")
    assert os.path.isdir(work.removeprefix("workdir="))
    [mount] = storage.mounts("look")
    assert mount.options == ("ro", lower, *features)


@pytest.mark.parametrize("char", [":", ",", "\\", "\n"])
def test_any_character_in_the_root_s_path(tmp_path, char):
    storage = plugrun_open_storage(f"{tmp_path}/a{char}b")
    commit(storage, "one")
    commit(storage, "two", "one")
    storage.prepare("box", "two")
    tree = storage.layer_tree("box")
    mounted(storage.mounts("box"), str(tmp_path), lambda root: os.mkdir(f"{root}/made"))
    assert os.listdir(tree.path) == ["made"]
