"""State that was damaged by hand: told by ``check``, and mended where that is possible."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os

import pytest

from plugrun.errors import Conflict
from plugrun.interfaces.storage import MISSING, Storage
from plugrun.testing.storage.fixtures import (
    Look,
    StorageFixtures,
    all_of,
    commit_layer,
    place_of_layer,
    remove_layer,
)
from plugrun.testing.trees import text_of, write


class DamageContract(StorageFixtures):
    """``check`` and ``mend``."""

    def test_a_sound_state_has_no_faults(self, storage: Storage) -> None:
        assert list(storage.check()) == []
        commit_layer(storage, "base", None, "file")
        commit_layer(storage, "over", "base", "more")
        storage.prepare("box", "over")
        storage.view("seen", "base")
        before = all_of(storage)
        assert list(storage.check()) == []
        assert all_of(storage) == before

    def test_files_that_are_gone_are_told_and_mended(
        self, storage: Storage, root_path: str, look: Look[str]
    ) -> None:
        commit_layer(storage, "base", None, "marker")
        place = place_of_layer(storage, "base", root_path, "marker")
        storage.prepare("box", "base")
        remove_layer(place)
        [fault] = storage.check()
        assert (fault.kind, fault.key, fault.path) == (MISSING, "base", place)
        storage.prepare("again", None)
        write(f"{storage.layer_tree('again').path}/marker", "as before")
        storage.mend("base", "again")
        assert list(storage.check()) == []
        storage.view("seen", "base")
        assert look("seen", lambda root: text_of(f"{root}/marker")) == "as before"
        assert look("box", lambda root: str(os.listdir(root))) == "['marker']"
        assert {key for key, _, _ in all_of(storage)} == {"base", "box", "seen"}
        assert storage.sweep() == 0

    def test_files_that_are_there_are_exchanged(self, storage: Storage, look: Look[str]) -> None:
        commit_layer(storage, "base", None, "file")
        storage.prepare("again", None)
        write(f"{storage.layer_tree('again').path}/file", "new")
        storage.mend("base", "again")
        storage.view("seen", "base")
        assert look("seen", lambda root: text_of(f"{root}/file")) == "new"
        assert storage.sweep() == 0

    def test_only_of_the_same_parent(self, storage: Storage) -> None:
        commit_layer(storage, "base", None, "file")
        commit_layer(storage, "over", "base", "more")
        storage.prepare("other", None)
        before = all_of(storage)
        with pytest.raises(Conflict):
            storage.mend("over", "other")
        with pytest.raises(Conflict):
            storage.mend("base", "over")
        assert all_of(storage) == before
