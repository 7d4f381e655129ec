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
    Storage,
)
from plugrun.testing.forked import killed_at, mounted, race
from plugrun.testing.storage.fixtures import Opener, StorageFixtures, all_of, commit_layer
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
