"""Verbs that are killed, and verbs that race."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from plugrun.errors import (
    PlugrunError,
)
from plugrun.interfaces.storage import (
    ACTIVE,
    COMMITTED,
    INDEPENDENT_LAYERS,
    Storage,
)
from plugrun.layers.implied import complete
from plugrun.layers.unpack import unpack_layer
from plugrun.testing.forked import in_child, killed_at, mounted, race
from plugrun.testing.storage.fixtures import Opener, StorageFixtures, all_of, commit_layer
from plugrun.testing.storage.layering import Entry, tar_of
from plugrun.testing.trees import (
    count_entries,
    facts,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

_ROUNDS = 20  # of each race
_MOST_ACTS = 500  # that a verb of the crash tests may take


class CrashContract(StorageFixtures):
    """Verbs that are killed, and verbs that race."""

    @pytest.mark.parametrize("verb", ["prepare", "view", "commit", "remove", "remove-committed"])
    def test_killed_at_any_moment(
        self, storage: Storage, open_storage: Opener, tmp_path: Path, root_path: str, verb: str
    ) -> None:
        place = str(tmp_path / "place")
        os.mkdir(place)
        sizes = []
        for count in range(_MOST_ACTS):
            store = open_storage(f"{root_path}-{count}")
            act = _scene(store, verb)
            assert _seen_in_box(store, place) == _IN_BOX
            before, entries = all_of(store), count_entries(f"{root_path}-{count}")
            was_killed = killed_at(count, act)
            again = open_storage(f"{root_path}-{count}")
            outcome = all_of(again)
            again.sweep()
            assert all_of(again) == outcome
            assert again.sweep() == 0
            if outcome == before:
                assert was_killed
                assert count_entries(f"{root_path}-{count}") <= entries, "strays are left"
                assert _seen_in_box(again, place) == _IN_BOX
                act()
            assert all_of(again) != before
            sizes.append(count_entries(f"{root_path}-{count}"))
            if not was_killed:
                assert count > 0, "no act of the verb was seen"
                assert max(sizes) == sizes[-1], "strays are left"
                return
        raise AssertionError(f"{verb} takes more than {_MOST_ACTS} acts")

    def test_killed_while_the_first_ever_verb_runs(
        self, storage: Storage, open_storage: Opener, root_path: str
    ) -> None:
        count = 0
        while killed_at(
            count,
            lambda: open_storage(f"{root_path}-{count}").prepare("a", None),  # noqa: B023
        ):
            again = open_storage(f"{root_path}-{count}")
            again.sweep()
            if not all_of(again):
                again.prepare("a", None)
            assert all_of(again) == {("a", ACTIVE, None)}
            count += 1
        assert count > 0

    def test_unpacking_killed_at_any_moment(
        self, storage: Storage, open_storage: Opener, tmp_path: Path, root_path: str
    ) -> None:
        blob = str(tmp_path / "layer.tar")
        with open(blob, "wb") as file:
            file.write(tar_of(_LAYER))
        for count in range(_MOST_ACTS):
            root = f"{root_path}-{count}"
            store = open_storage(root)
            commit_layer(store, "base", None, "d/old", "gone")
            before, entries = all_of(store), count_entries(root)
            was_killed = killed_at(count, lambda: _unpack(store, blob))  # noqa: B023
            again = open_storage(root)
            again.sweep()
            if was_killed and all_of(again) != {*before, ("top", COMMITTED, "base")}:
                if all_of(again) != before:
                    again.remove("unpack")
                assert all_of(again) == before
                assert count_entries(root) <= entries, "strays are left"
                in_child(lambda: _unpack(again, blob))  # noqa: B023
            again.view("look", "top")
            assert mounted(again.mounts("look"), str(tmp_path), _names) == ["d", "d/new", "e"]
            if not was_killed:
                assert count > 10, "no act was seen"
                return
        raise AssertionError(f"it takes more than {_MOST_ACTS} acts")

    @pytest.mark.parametrize("verb", ["prepare", "commit", "remove-committed"])
    def test_sweeping_killed_at_any_moment(
        self, storage: Storage, open_storage: Opener, tmp_path: Path, root_path: str, verb: str
    ) -> None:
        """Of what a verb left that was killed in its middle."""
        place = str(tmp_path / "place")
        os.mkdir(place)
        acts = 0
        while killed_at(acts, _scene(open_storage(f"{root_path}-count-{acts}"), verb)):
            acts += 1
        for count in range(_MOST_ACTS):
            root = f"{root_path}-{count}"
            store = open_storage(root)
            act = _scene(store, verb)
            assert killed_at(acts * 2 // 3, act)
            outcome = all_of(store)
            was_killed = killed_at(count, store.sweep)
            again = open_storage(root)
            again.sweep()
            assert all_of(again) == outcome
            assert again.sweep() == 0
            if any(key == "box" for key, _, _ in outcome):
                assert _seen_in_box(again, place) == _IN_BOX
            if not was_killed:
                return
        raise AssertionError(f"sweep takes more than {_MOST_ACTS} acts")

    def test_two_that_prepare_the_same_key(self, storage: Storage) -> None:
        commit_layer(storage, "base", None)
        for number in range(_ROUNDS):
            key = f"box-{number}"
            acts = [
                lambda: storage.prepare(key, "base"),  # noqa: B023  (runs in this round)
                lambda: storage.view(key, "base"),  # noqa: B023
                lambda: storage.prepare(key, None),  # noqa: B023
            ]
            assert sorted(race(acts, PlugrunError)) == ["", "AlreadyExists", "AlreadyExists"]
        assert len(all_of(storage)) == _ROUNDS + 1
        assert storage.sweep() == 0

    def test_two_that_commit_one_name(self, storage: Storage) -> None:
        for number in range(_ROUNDS):
            keys = [f"unpack-{number}-{i}" for i in range(2)]
            for key in keys:
                storage.prepare(key, None)
            acts = [lambda key=key: storage.commit(f"layer-{number}", key) for key in keys]  # noqa: B023
            told = race(acts, PlugrunError)
            assert sorted(told) == ["", "AlreadyExists"]
            loser = keys[told.index("AlreadyExists")]
            assert storage.stat(loser).kind == ACTIVE
            storage.remove(loser)

    def test_one_that_builds_on_what_another_removes(self, storage: Storage) -> None:
        for number in range(_ROUNDS):
            base = f"base-{number}"
            commit_layer(storage, base, None)
            acts = [
                lambda: storage.prepare(f"box-{number}", base),  # noqa: B023
                lambda: storage.remove(base),  # noqa: B023
            ]
            told = race(acts, PlugrunError)
            assert told in (["", "Conflict"], ["NoSuchSnapshot", ""])
        assert storage.sweep() == 0

    def test_two_that_remove_the_same(self, storage: Storage) -> None:
        for number in range(_ROUNDS):
            storage.prepare("box", None)
            write(f"{storage.layer_tree('box').path}/{number}")
            told = race([lambda: storage.remove("box")] * 2, PlugrunError)
            assert sorted(told) == ["", "NoSuchSnapshot"]


_LAYER: list[Entry] = ["d/", "d/new", ".wh.gone", "d/.wh..wh..opq", ("e@", "d")]


def _unpack(store: Storage, blob: str) -> None:
    """Unpack a layer as the core does."""
    store.prepare("unpack", "base")
    tree = store.layer_tree("unpack")
    told = unpack_layer(blob, tree.path, tree.whiteouts)
    if INDEPENDENT_LAYERS in store.capabilities:
        complete(tree, told)
    store.commit("top", "unpack")


def _names(root: str) -> list[str]:
    return sorted(path.lstrip("/") for path in facts(root))


_IN_BOX = ["3", "a", "a/b", "a/b/c", "a/d", "e", "file", "x", "x/1", "x/y", "x/y/2", "x/y/z"]


def _seen_in_box(store: Storage, place: str) -> list[str]:
    """Return the names in the snapshot of ``_scene``, whether it has been committed or not."""
    if any(found.key == "box" for found in store.walk()):
        return mounted(store.mounts("box"), place, _names)
    store.view("peek", "done")
    seen = mounted(store.mounts("peek"), place, _names)
    store.remove("peek")
    return seen


def _scene(store: Storage, verb: str) -> Callable[[], None]:
    """Set the stage for a verb; return the call."""
    commit_layer(store, "base", None, "file")
    commit_layer(store, "top", "base", "a/b/c", "a/d", "e")
    store.prepare("box", "top")
    path = store.layer_tree("box").path
    os.makedirs(f"{path}/x/y/z", exist_ok=True)
    for name in ("x/1", "x/y/2", "3"):
        write(f"{path}/{name}")
    acts: dict[str, Callable[[], None]] = {
        "prepare": lambda: store.prepare("new", "top"),
        "view": lambda: store.view("new", "top"),
        "commit": lambda: store.commit("new", "box"),
        "remove": lambda: store.remove("box"),
        "remove-committed": lambda: store.remove("done"),
    }
    if verb == "remove-committed":
        store.commit("done", "box")
    return acts[verb]
