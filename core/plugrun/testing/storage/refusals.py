"""What a storage refuses."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

from collections.abc import Callable

import pytest

from plugrun.errors import (
    AlreadyExists,
    Conflict,
    NoSuchSnapshot,
)
from plugrun.interfaces.storage import (
    COMMITTED,
    INDEPENDENT_LAYERS,
    Storage,
)
from plugrun.testing.storage.fixtures import StorageFixtures, all_of, commit_layer
from plugrun.testing.trees import (
    count_entries,
)


class RefusalContract(StorageFixtures):
    """What a storage refuses."""

    @pytest.mark.parametrize(
        "act",
        [
            lambda s: s.prepare("new", "missing"),
            lambda s: s.view("new", "missing"),
            lambda s: s.mounts("missing"),
            lambda s: s.layer_tree("missing"),
            lambda s: s.commit("new", "missing"),
            lambda s: s.remove("missing"),
            lambda s: s.stat("missing"),
            lambda s: s.usage("missing"),
        ],
    )
    def test_a_missing_key(self, storage: Storage, act: Callable[[Storage], object]) -> None:
        for _ in range(2):  # in an empty storage, and in one that is not
            with pytest.raises(NoSuchSnapshot):
                act(storage)
            before = all_of(storage)
            if not before:
                storage.prepare("other", None)
        assert all_of(storage) == before

    @pytest.mark.parametrize("taken", ["base", "box", "look"])
    def test_a_taken_key(self, storage: Storage, taken: str) -> None:
        commit_layer(storage, "base", None)
        storage.prepare("box", "base")
        storage.view("look", "base")
        storage.prepare("more", "base")
        before, entries = all_of(storage), storage.usage("base")
        acts: list[Callable[[], object]] = [
            lambda: storage.prepare(taken, None),
            lambda: storage.prepare(taken, "base"),
            lambda: storage.view(taken, "base"),
            lambda: storage.commit(taken, "more"),
        ]
        for act in acts:
            with pytest.raises(AlreadyExists):
                act()
        assert (all_of(storage), storage.usage("base")) == (before, entries)

    def test_a_parent_is_not_removed(self, storage: Storage) -> None:
        commit_layer(storage, "base", None)
        commit_layer(storage, "top", "base")
        storage.view("look", "top")
        storage.prepare("box", "top")
        for key, child in (("base", "top"), ("top", "look"), ("top", "box")):
            with pytest.raises(Conflict):
                storage.remove(key)
            assert storage.stat(child).parent == key
        for key in ("look", "box", "top", "base"):
            storage.remove(key)
        assert list(storage.walk()) == []

    def test_only_what_is_active_is_filled_and_committed(self, storage: Storage) -> None:
        commit_layer(storage, "base", None)
        storage.view("look", "base")
        for key in ("base", "look"):
            with pytest.raises(Conflict):
                storage.commit("new", key)
            with pytest.raises(Conflict):
                storage.layer_tree(key)
        with pytest.raises(Conflict):
            storage.prepare("new", "look")

    def test_a_parent_that_is_still_active(self, storage: Storage) -> None:
        storage.prepare("low", None)
        if INDEPENDENT_LAYERS not in storage.capabilities:
            with pytest.raises(Conflict):
                storage.prepare("high", "low")
            return
        storage.prepare("high", "low")
        with pytest.raises(Conflict):
            storage.commit("chain-2", "high")
        with pytest.raises(Conflict):
            storage.remove("low")
        storage.commit("chain-1", "low")
        assert storage.stat("high").parent == "chain-1"
        with pytest.raises(Conflict):
            storage.remove("chain-1")
        storage.commit("chain-2", "high")
        assert all_of(storage) == {("chain-1", COMMITTED, None), ("chain-2", COMMITTED, "chain-1")}

    def test_active_ones_over_each_other_go_without_a_trace(
        self, storage: Storage, root_path: str
    ) -> None:
        commit_layer(storage, "base", None)
        entries = count_entries(root_path)
        storage.prepare("low", "base")
        if INDEPENDENT_LAYERS in storage.capabilities:
            storage.prepare("high", "low")
            with pytest.raises(Conflict):
                storage.remove("low")
            storage.remove("high")
        else:
            with pytest.raises(Conflict):
                storage.prepare("high", "low")
        storage.remove("low")
        assert count_entries(root_path) == entries
