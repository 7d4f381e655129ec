"""What a storage says of itself, and the life of a snapshot."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from plugrun.errors import (
    InvalidArgument,
    NoSuchSnapshot,
)
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.storage import (
    ACTIVE,
    CHANGE_TIMES,
    COMMITTED,
    IDMAPPED,
    INDEPENDENT_LAYERS,
    MOUNTLESS,
    PACKED,
    POSIX_UNION,
    VIEW,
    WHOLE_IMAGES,
    Storage,
)
from plugrun.testing.storage.fixtures import Opener, StorageFixtures, all_of, commit_layer
from plugrun.testing.trees import (
    count_entries,
    text_of,
)

_WORDS = {INDEPENDENT_LAYERS, MOUNTLESS, POSIX_UNION, CHANGE_TIMES, WHOLE_IMAGES, IDMAPPED, PACKED}


class LifeContract(StorageFixtures):
    """What a storage says of itself, and the life of a snapshot."""

    def test_capabilities_are_words_of_the_interface(self, storage: Storage) -> None:
        assert storage.capabilities <= _WORDS

    def test_probe_works_here_and_leaves_nothing(self, storage: Storage, root_path: str) -> None:
        storage.probe()
        before = count_entries(root_path), _mounts_in(root_path)
        probe = storage.probe()
        assert isinstance(probe, Probe)
        assert probe.works, probe.reason
        assert (count_entries(root_path), _mounts_in(root_path)) == before

    def test_state_is_for_root_alone(self, storage: Storage, root_path: str) -> None:
        commit_layer(storage, "a", None, "file")
        assert os.stat(root_path).st_mode & 0o777 == 0o700

    def test_a_new_storage_is_empty(self, storage: Storage) -> None:
        assert list(storage.walk()) == []
        assert storage.sweep() == 0

    def test_from_active_to_committed(self, storage: Storage) -> None:
        started = time.time_ns()
        storage.prepare("key", None)
        found = storage.stat("key")
        assert (found.key, found.kind, found.parent) == ("key", ACTIVE, None)
        assert started - 10**9 < found.created_ns < time.time_ns() + 10**9
        storage.commit("name", "key")
        assert (storage.stat("name").kind, storage.stat("name").parent) == (COMMITTED, None)
        with pytest.raises(NoSuchSnapshot):
            storage.stat("key")

    def test_children_name_their_parent(self, storage: Storage) -> None:
        commit_layer(storage, "base", None)
        storage.prepare("box", "base")
        storage.view("look", "base")
        expected = {
            ("base", COMMITTED, None),
            ("box", ACTIVE, "base"),
            ("look", VIEW, "base"),
        }
        assert all_of(storage) == expected
        assert {(s.key, s.kind, s.parent) for s in map(storage.stat, ("base", "box", "look"))} == (
            expected
        )

    def test_walk_has_parents_first(self, storage: Storage) -> None:
        parent = None
        for name in ("z", "m", "a", "q", "b"):
            commit_layer(storage, name, parent)
            parent = name
        storage.prepare("0", "z")
        seen = set()
        for found in storage.walk():
            assert found.parent is None or found.parent in seen
            seen.add(found.key)
        assert len(seen) == 6

    def test_another_opener_sees_the_same(
        self, storage: Storage, open_storage: Opener, root_path: str
    ) -> None:
        commit_layer(storage, "base", None, "file")
        storage.prepare("box", "base")
        other = open_storage(root_path)
        assert all_of(other) == all_of(storage)
        assert other.mounts("box") == storage.mounts("box")

    @pytest.mark.parametrize("key", ["", ".", "..", "a/b", "/", "a b", "a\n", "ä", "a" * 129, "\0"])
    def test_a_key_that_is_none_is_refused(self, storage: Storage, key: str) -> None:
        acts: list[Callable[[], object]] = [
            lambda: storage.prepare(key, None),
            lambda: storage.mounts(key),
            lambda: storage.stat(key),
            lambda: storage.remove(key),
        ]
        for act in acts:
            with pytest.raises(InvalidArgument):
                act()
        assert list(storage.walk()) == []

    @pytest.mark.parametrize(
        "key", ["a" * 128, "sha256:" + "0f" * 32, "-.:_", "...", "con", "CON", ".tmp"]
    )
    def test_every_key_of_the_form_is_taken(self, storage: Storage, key: str) -> None:
        storage.prepare(key, None)
        assert [s.key for s in storage.walk()] == [key]
        storage.commit(f"c{key}"[:128], key)
        storage.remove(f"c{key}"[:128])
        assert list(storage.walk()) == []


def _mounts_in(root: str) -> list[str]:
    """Return the mounts that name a root: others come and go without us."""
    return [line for line in text_of("/proc/self/mountinfo").splitlines() if root in line]
