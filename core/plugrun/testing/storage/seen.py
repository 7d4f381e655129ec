"""What is seen through the mounts."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from plugrun.errors import (
    PlugrunError,
)
from plugrun.interfaces.storage import (
    MOUNTLESS,
    Storage,
)
from plugrun.testing.storage.fixtures import Look, StorageFixtures, commit_layer
from plugrun.testing.trees import (
    count_entries,
    facts,
    text_of,
    write,
)


class ViewContract(StorageFixtures):
    """What is seen through the mounts."""

    def test_mounts_is_pure(self, storage: Storage, root_path: str, look: Look[None]) -> None:
        commit_layer(storage, "base", None, "file")
        storage.prepare("box", "base")
        entries = count_entries(root_path)
        mounts = storage.mounts("box")
        assert isinstance(mounts, tuple)
        assert mounts
        assert all(storage.mounts("box") == mounts for _ in range(3))
        assert count_entries(root_path) == entries
        look("box", lambda root: write(f"{root}/new"))
        assert storage.mounts("box") == mounts

    def test_plain_binds_if_it_says_so(self, storage: Storage) -> None:
        commit_layer(storage, "a", None, "a")
        commit_layer(storage, "b", "a", "b")
        storage.prepare("box", "b")
        if MOUNTLESS in storage.capabilities:
            assert all("bind" in mount.options for mount in storage.mounts("box"))

    def test_layers_lie_on_each_other(self, storage: Storage, look: Look[dict[str, str]]) -> None:
        commit_layer(storage, "one", None, "etc/a", "etc/b", "etc/c")
        commit_layer(storage, "two", "one", "etc/b", "etc/d")
        commit_layer(storage, "three", "two", "etc/c")
        storage.prepare("box", "three")
        storage.view("look", "three")
        for key in ("box", "look"):
            seen = look(key, _contents_of_etc)
            assert seen == {"a": "one", "b": "two", "c": "three", "d": "two"}

    def test_a_view_of_onecommit_layer(self, storage: Storage, look: Look[dict[str, str]]) -> None:
        commit_layer(storage, "one", None, "etc/a")
        storage.view("look", "one")
        assert look("look", _contents_of_etc) == {"a": "one"}

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_view_cannot_be_written(
        self, storage: Storage, look: Look[list[str]], layers: int
    ) -> None:
        commit_layer(storage, "layer-1", None, "a")
        commit_layer(storage, "layer-2", "layer-1", "b")
        storage.view("look", f"layer-{layers}")

        def spoil(root: str) -> list[str]:
            faults = []
            acts: list[Callable[[], object]] = [
                lambda: write(f"{root}/new"),
                lambda: write(f"{root}/a", "x"),
                lambda: os.unlink(f"{root}/a"),
                lambda: os.chmod(f"{root}/a", 0),
            ]
            for act in acts:
                try:
                    act()
                except OSError as error:
                    faults.append(str(error.strerror))
            return faults

        assert look("look", spoil) == ["Read-only file system"] * 4

    def test_two_active_ones_never_see_each_other(
        self, storage: Storage, look: Look[object]
    ) -> None:
        commit_layer(storage, "base", None, "shared", "gone", "folder/inside")
        storage.prepare("one", "base")
        storage.prepare("two", "base")
        storage.view("look", "base")
        before = look("look", facts)

        def change(root: str) -> None:
            write(f"{root}/shared", "changed")
            write(f"{root}/new", "new")
            os.chmod(f"{root}/folder", 0o700)
            os.rename(f"{root}/folder/inside", f"{root}/folder/moved")
            os.unlink(f"{root}/gone")

        look("one", change)
        assert look("two", facts) == before
        assert look("look", facts) == before
        after = look("one", lambda root: sorted(os.listdir(root)))
        assert after == ["folder", "new", "shared"]
        storage.remove("one")
        assert look("two", facts) == before

    def test_an_empty_active_one_can_be_used(self, storage: Storage, look: Look[object]) -> None:
        storage.prepare("box", None)
        assert look("box", os.listdir) == []
        look("box", lambda root: write(f"{root}/file", "kept"))
        assert look("box", lambda root: text_of(f"{root}/file")) == "kept"

    def test_the_root_s_attributes_go_upwards(self, storage: Storage, look: Look[object]) -> None:
        def root_of(root: str) -> tuple[int, int, int]:
            found = os.stat(root)
            return found.st_mode & 0o7777, found.st_uid, found.st_gid

        storage.prepare("box", None)
        assert look("box", root_of) == (0o755, 0, 0)
        storage.prepare("unpack", None)
        path = storage.layer_tree("unpack").path
        os.chown(path, 12, 34)
        os.chmod(path, 0o1751)
        storage.commit("base", "unpack")
        commit_layer(storage, "top", "base", "file")
        storage.prepare("box-1", "base")
        storage.prepare("box-2", "top")
        storage.view("look", "top")
        for key in ("box-1", "box-2", "look"):
            assert look(key, root_of) == (0o1751, 12, 34)

    def test_five_hundred_layers_or_a_word(self, storage: Storage, look: Look[object]) -> None:
        """A limit is the file system's; it must be told, not met by a failing mount."""
        parent = None
        for number in range(500):
            commit_layer(storage, f"sha256:{number:064}", parent, f"file-{number}")
            parent = f"sha256:{number:064}"
        assert parent is not None
        try:
            storage.prepare("box", parent)
        except PlugrunError as error:
            assert "layers" in error.message
            return
        assert look("box", lambda root: len(os.listdir(root))) == 500


def _contents_of_etc(root: str) -> dict[str, str]:
    return {name: text_of(f"{root}/etc/{name}") for name in os.listdir(f"{root}/etc")}
