"""What is kept by a commit, and what a removal frees."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os

from plugrun.interfaces.storage import (
    INDEPENDENT_LAYERS,
    PACKED,
    WHITEOUT_OVERLAYFS,
    WHITEOUT_UNLINK,
    WHITEOUT_USERXATTR,
    Storage,
)
from plugrun.testing.storage.fixtures import Look, StorageFixtures, commit_layer
from plugrun.testing.trees import (
    count_entries,
    delete,
    facts,
    fill,
    replace_folder,
    text_of,
    write,
)


class KeepingContract(StorageFixtures):
    """What is kept by a commit, and what a removal frees."""

    def test_everything_survives_a_commit(self, storage: Storage, look: Look[object]) -> None:
        storage.prepare("unpack", None)
        path = storage.layer_tree("unpack").path
        fill(path)
        expected = facts(path)
        storage.commit("base", "unpack")
        storage.view("look-1", "base")
        commit_layer(storage, "top", "base")
        storage.view("look-2", "top")
        storage.prepare("box", "top")
        for key in ("look-1", "look-2", "box"):
            seen = look(key, facts)
            assert seen == expected

    def test_a_deletion_hides_the_parents_file(
        self, storage: Storage, look: Look[list[str]]
    ) -> None:
        commit_layer(storage, "base", None, "kept", "gone", "folder/kept", "folder/gone")
        storage.prepare("unpack", "base")
        tree = storage.layer_tree("unpack")
        assert tree.whiteouts in (WHITEOUT_UNLINK, WHITEOUT_OVERLAYFS, WHITEOUT_USERXATTR)
        os.makedirs(f"{tree.path}/folder", exist_ok=True)
        delete(tree, "gone")
        delete(tree, "folder/gone")
        storage.commit("top", "unpack")
        storage.view("look", "top")
        storage.view("look-below", "base")
        assert look("look", _names) == ["folder", "folder/kept", "kept"]
        assert len(look("look-below", _names)) == 5

    def test_an_opaque_folder_hides_the_parents(
        self, storage: Storage, look: Look[list[str]]
    ) -> None:
        commit_layer(storage, "base", None, "folder/old", "folder/both", "other/old")
        storage.prepare("unpack", "base")
        tree = storage.layer_tree("unpack")
        replace_folder(tree, "folder", lambda path: write(f"{path}/both", "new"))
        storage.commit("top", "unpack")
        storage.prepare("box", "top")
        assert look("box", _names) == ["folder", "folder/both", "other", "other/old"]

    def test_layer_tree_holds_its_own_entries_or_all(self, storage: Storage) -> None:
        if INDEPENDENT_LAYERS not in storage.capabilities:
            commit_layer(storage, "low", None, "0")
            storage.prepare("high", "low")
            tree = storage.layer_tree("high")
            assert (tree.whiteouts, tree.lower) == (WHITEOUT_UNLINK, ())
            assert os.listdir(tree.path) == ["0"]
            return
        storage.prepare("low", None)
        storage.prepare("high", "low")
        storage.prepare("higher", "high")
        trees = [storage.layer_tree(key) for key in ("low", "high", "higher")]
        for number, tree in enumerate(trees):
            write(f"{tree.path}/{number}")
        assert [os.listdir(tree.path) for tree in trees] == [["0"], ["1"], ["2"]]
        assert trees[0].lower == ()
        assert trees[2].lower == (trees[1].path, trees[0].path)

    def test_usage_is_a_snapshot_s_own(self, storage: Storage) -> None:
        commit_layer(storage, "base", None)
        storage.prepare("unpack", "base")
        path = storage.layer_tree("unpack").path
        empty = storage.usage("unpack")
        write(f"{path}/big", "x" * 1_000_000)
        os.link(f"{path}/big", f"{path}/again")
        used = storage.usage("unpack")
        assert 1_000_000 <= used.bytes - empty.bytes < 1_100_000
        assert used.inodes - empty.inodes == 1
        assert used.content in (-1, empty.content + 1_000_000)
        storage.commit("top", "unpack")
        if PACKED in storage.capabilities:
            packed = storage.usage("top")
            assert 1_000_000 <= packed.bytes < used.bytes + 100_000
            assert packed.content in (-1, used.content)
        else:
            assert storage.usage("top") == used
        storage.view("look", "top")
        assert storage.usage("look").bytes < 100_000

    def test_usage_counts_what_is_on_the_disk(self, storage: Storage) -> None:
        """Holes take no space, and what was deleted none any more; neither do the parents."""
        commit_layer(storage, "base", None)
        storage.prepare("unpack", "base")
        path = storage.layer_tree("unpack").path
        empty = storage.usage("unpack")
        with open(f"{path}/holes", "wb") as file:
            file.truncate(1 << 30)
            file.write(b"x" * 100_000)
        os.symlink("nowhere", f"{path}/symlink")
        os.mkdir(f"{path}/folder")
        used = storage.usage("unpack")
        assert 100_000 <= used.bytes - empty.bytes < 200_000
        assert used.inodes - empty.inodes == 3
        assert used.content in (-1, empty.content + (1 << 30) + len("nowhere"))
        os.unlink(f"{path}/holes")
        assert storage.usage("unpack").bytes - empty.bytes < 20_000

    def test_a_tree_with_everything_is_removed(self, storage: Storage, root_path: str) -> None:
        commit_layer(storage, "base", None)
        entries = count_entries(root_path)
        outside = f"{root_path}-outside"
        os.mkdir(outside)
        write(f"{outside}/kept")
        for key in ("one", "two"):
            storage.prepare(key, "base")
            path = storage.layer_tree(key).path
            fill(path)
            os.symlink(outside, f"{path}/way-out")
        storage.commit("done", "two")
        storage.remove("one")
        storage.remove("done")
        assert os.listdir(outside) == ["kept"]
        assert count_entries(root_path) == entries
        assert storage.sweep() == 0

    def test_siblings_are_removed_in_any_order(self, storage: Storage, look: Look[str]) -> None:
        commit_layer(storage, "base", None, "file")
        for key in ("a", "b", "c"):
            storage.prepare(key, "base")
        for key in ("b", "a"):
            storage.remove(key)
            assert look("c", lambda root: text_of(f"{root}/file")) == "base"
        storage.remove("c")
        storage.remove("base")
        assert list(storage.walk()) == []


def _names(root: str) -> list[str]:
    return sorted(path.lstrip("/") for path in facts(root))
