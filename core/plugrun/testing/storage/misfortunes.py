"""A full disk, and what somebody did to the state by hand."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import Corrupt, NoSpace, NoSuchSnapshot, PlugrunError
from plugrun.interfaces.storage import ACTIVE, Storage
from plugrun.linux import mounting, process
from plugrun.testing.forked import in_child, mounted
from plugrun.testing.storage.fixtures import (
    Look,
    Opener,
    StorageFixtures,
    all_of,
    commit_layer,
    folder_with,
    place_of_layer,
    remove_layer,
)
from plugrun.testing.trees import count_entries, text_of, write

if TYPE_CHECKING:
    from pathlib import Path


class MisfortuneContract(StorageFixtures):
    """A full disk, and what somebody did to the state by hand."""

    @pytest.mark.parametrize("room", [0, 1, 2, 3, 5, 8])
    def test_prepare_on_a_full_disk(
        self, storage: Storage, open_storage: Opener, tmp_path: Path, room: int
    ) -> None:
        def work(place: str) -> None:
            store = open_storage(f"{place}/state")
            commit_layer(store, "base", None, *(f"folder/{n}" for n in range(20)))
            store.prepare("box", "base")
            before, entries = all_of(store), count_entries(f"{place}/state")
            _fill_up(place, room)
            try:
                store.prepare("new", "base")
            except NoSpace:
                assert all_of(store) == before
                assert count_entries(f"{place}/state") == entries, "something is left half-made"
                shutil.rmtree(f"{place}/ballast")
                assert store.sweep() == 0
                store.prepare("new", "base")
            else:
                assert room, "it was made out of nothing"
                _mounted_or_refused(store, f"{place}/mnt")
                shutil.rmtree(f"{place}/ballast")
            folder = mounted(store.mounts("new"), _made(place, "mnt"), _names_in_folder)
            assert len(folder) == 20

        _on_small_disk(str(tmp_path), work)

    @pytest.mark.parametrize("room", [0, 1, 2])
    def test_commit_on_a_full_disk(
        self, storage: Storage, open_storage: Opener, tmp_path: Path, room: int
    ) -> None:
        def work(place: str) -> None:
            store = open_storage(f"{place}/state")
            commit_layer(store, "base", None, "file")
            store.prepare("box", "base")
            write(f"{store.layer_tree('box').path}/new", "new")
            _fill_up(place, room)
            try:
                store.commit("done", "box")
            except NoSpace:
                assert store.stat("box").kind == ACTIVE
                shutil.rmtree(f"{place}/ballast")
                store.commit("done", "box")
            else:
                shutil.rmtree(f"{place}/ballast")
            assert {key for key, _, _ in all_of(store)} == {"base", "done"}
            store.view("look", "done")
            found = mounted(store.mounts("look"), _made(place, "mnt"), os.listdir)
            assert sorted(found) == ["file", "new"]
            assert store.sweep() == 0

        _on_small_disk(str(tmp_path), work)

    @pytest.mark.parametrize("harm", ["deleted", "a file"])
    @pytest.mark.parametrize("above", [0, 1])
    def test_a_layer_that_was_damaged_by_hand(
        self, storage: Storage, root_path: str, look: Look[object], harm: str, above: int
    ) -> None:
        for name in ("base", "other"):
            commit_layer(storage, name, None, f"marker-{name}")
        commit_layer(storage, "top", "base", "marker-top")
        folder = place_of_layer(storage, "base", root_path, "marker-base")
        _damage(folder, harm)
        parent = ("base", "top")[above]
        told = ""
        try:
            storage.prepare("box", parent)
            look("box", lambda root: text_of(f"{root}/marker-base"))
        except (Corrupt, NoSuchSnapshot) as error:
            told = error.message
            assert error.hint
        except AssertionError as error:  # from where it was mounted
            told = str(error)
            assert "Corrupt" in told or "NoSuchSnapshot" in told
        else:
            assert above, "nothing was said"  # whole trees do not need what lies beneath
        assert not told or folder in told or parent in told
        self._go_on_after_damage(storage, look)

    def _go_on_after_damage(self, storage: Storage, look: Look[object]) -> None:
        storage.prepare("fine", "other")
        assert look("fine", os.listdir) == ["marker-other"]
        if any(key == "box" for key, _, _ in all_of(storage)):
            storage.remove("box")
        with pytest.raises(PlugrunError, match=r"base|/"):
            storage.usage("base")
        for key in ("top", "base"):
            storage.remove(key)
        storage.sweep()
        assert {key for key, _, _ in all_of(storage)} == {"other", "fine"}
        assert look("fine", os.listdir) == ["marker-other"]

    def test_an_active_one_that_was_deleted_by_hand(
        self, storage: Storage, root_path: str, look: Look[object]
    ) -> None:
        commit_layer(storage, "base", None, "file")
        storage.prepare("box", "base")
        storage.prepare("fine", "base")
        look("box", lambda root: write(f"{root}/marker"))
        _damage(folder_with(root_path, "marker"), "deleted")
        with pytest.raises(AssertionError, match=r"Corrupt|NoSuchSnapshot"):
            look("box", os.listdir)
        storage.remove("box")
        assert look("fine", os.listdir) == ["file"]
        assert storage.sweep() == 0


def _mounted_or_refused(store: Storage, place: str) -> None:
    """Mount on a full disk: it works, or is refused in words."""
    try:
        mounted(store.mounts("new"), place, os.listdir)
    except AssertionError as error:
        assert "plugrun.errors.NoSpace" in str(error), error


def _on_small_disk(folder: str, act: Callable[[str], None]) -> None:
    """Call a function in a child, on a small tmpfs of its own."""
    place = _made(folder, "small")

    def work() -> None:
        process.unshare(process.CLONE_NEWNS)
        mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
        mounting.mount("tmpfs", place, "tmpfs", 0, "size=4m,nr_inodes=300")
        _made(place, "mnt")
        act(place)

    in_child(work)


def _fill_up(place: str, room: int) -> None:
    """Leave room for so many more files, and for a page of content in each."""
    ballast = _made(place, "ballast")
    try:
        with open(f"{ballast}/content", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
    if room:
        os.truncate(f"{ballast}/content", os.path.getsize(f"{ballast}/content") - room * 4096)
    count = 0
    try:
        while True:
            os.mknod(f"{ballast}/{count}")
            count += 1
    except OSError:
        for number in range(room):
            os.unlink(f"{ballast}/{number}")


def _made(folder: str, name: str) -> str:
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    return f"{folder}/{name}"


def _names_in_folder(root: str) -> list[str]:
    return os.listdir(f"{root}/folder")


def _damage(folder: str, harm: str) -> None:
    remove_layer(folder)
    if harm == "a file":
        write(folder)
