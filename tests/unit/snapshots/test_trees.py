"""Deleting and measuring trees that mean harm."""

from __future__ import annotations

import os

import pytest
from plugrun.errors import Conflict
from plugrun.linux import mounting, process
from plugrun.snapshots.trees import delete_tree, measure_tree
from plugrun.testing.forked import in_child

pytestmark = pytest.mark.root


def test_a_tree_deeper_than_any_limit(tmp_path):
    top = str(tmp_path / "deep")
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY)
    depth = 3000
    for level in range(depth):
        os.mkdir("d", dir_fd=fd)
        os.mkdir(".1" if level % 2 else "e", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    assert measure_tree(top).inodes == 2 * depth + 1
    delete_tree(top)
    assert os.listdir(tmp_path) == []


def test_long_names_all_the_way_down(tmp_path):
    top = str(tmp_path / "deep")
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY)
    for _ in range(100):
        name = "ü" * 127
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    assert measure_tree(top).inodes == 101
    delete_tree(top)
    assert os.listdir(tmp_path) == []


def test_names_that_removal_makes_up_may_be_taken(tmp_path):
    top = tmp_path / "tree"
    for path in (".1/.2/.3", ".2/.1/a", ".3", "x/y/.1/z"):
        (top / path).mkdir(parents=True)
    for path in (".4", "x/.5", ".2/.6"):
        (top / path).write_text("a file")
    delete_tree(str(top))
    assert os.listdir(tmp_path) == []


def test_removal_does_not_follow_symlinks_or_enter_mounts(tmp_path):
    (tmp_path / "outside/kept").mkdir(parents=True)
    (tmp_path / "tree/folder/mount").mkdir(parents=True)
    (tmp_path / "tree/folder/link").symlink_to(tmp_path / "outside")

    def remove() -> str:
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        source, target = str(tmp_path / "outside"), str(tmp_path / "tree/folder/mount")
        mounting.mount(source, target, "", mounting.MS_BIND)
        try:
            delete_tree(str(tmp_path / "tree"))
        except Conflict as error:
            return error.message
        return ""

    assert "something is mounted there" in in_child(remove)
    assert (tmp_path / "outside/kept").is_dir()


def test_what_goes_while_it_is_measured_does_not_count(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"x" * 100_000)
    alone = measure_tree(str(tmp_path))
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "d").mkdir()
    (tmp_path / "e").mkdir()
    real = os.listdir
    stat_before = os.stat

    def listed(fd):
        names = real(fd)
        if "a" in names:
            (tmp_path / "a").unlink()
        return names

    def seen(name, **options):
        found = stat_before(name, **options)
        if name in ("d", "e"):  # listed and looked at, but not yet entered
            (tmp_path / name).rmdir()
        if name == "e":
            (tmp_path / name).symlink_to("/")
        return found

    monkeypatch.setattr("plugrun.snapshots.trees.os.listdir", listed)
    monkeypatch.setattr("plugrun.snapshots.trees.os.stat", seen)
    found = measure_tree(str(tmp_path))
    assert found.content == alone.content
    assert found.inodes == alone.inodes + 2  # the folders were there when they were counted


def test_a_hard_link_is_measured_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    alone = measure_tree(str(tmp_path))
    os.link(tmp_path / "a", tmp_path / "b")
    assert measure_tree(str(tmp_path)) == alone
