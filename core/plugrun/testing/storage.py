"""The contract every storage fulfils; see ``plugrun.interfaces.storage``.

To use it, subclass and say how to open one::

    from plugrun.testing.storage import StorageSuite as Contract

    class TestMyStorage(Contract):
        @pytest.fixture
        def open_storage(self):
            return plugrun_open_storage  # called with the root alone

It needs root. Everything is judged by what is seen through the mounts, performed in a child with
mounts of its own. Override the fixture ``root_path`` to put the state on a certain file system.
"""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pytest

from plugrun.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NoSuchSnapshot,
    PlugrunError,
)
from plugrun.interfaces.backend import Probe
from plugrun.interfaces.storage import (
    ACTIVE,
    COMMITTED,
    INDEPENDENT_LAYERS,
    MOUNTLESS,
    VIEW,
    WHITEOUT_OVERLAYFS,
    WHITEOUT_UNLINK,
    Storage,
)
from plugrun.testing.forked import killed_at, mounted, race
from plugrun.testing.trees import (
    count_entries,
    delete,
    facts,
    fill,
    replace_folder,
    text_of,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Opener = Callable[[str], Storage]
Look = Callable[[str, Callable[[str], T]], T]

_ROUNDS = 20  # of each race
_MOST_ACTS = 500  # that a verb of the crash tests may take


def _layer(storage: Storage, name: str, parent: str | None, *files: str) -> None:
    """Commit a layer of files, each holding its layer's name."""
    storage.prepare(f"unpack-{name}", parent)
    tree = storage.layer_tree(f"unpack-{name}")
    for file in files:
        os.makedirs(os.path.dirname(f"{tree.path}/{file}"), exist_ok=True)
        write(f"{tree.path}/{file}", name)
    storage.commit(name, f"unpack-{name}")


def _all(storage: Storage) -> set[tuple[str, str, str | None]]:
    return {(s.key, s.kind, s.parent) for s in storage.walk()}


class StorageSuite:
    """What is promised of every storage."""

    @pytest.fixture
    def root_path(self, tmp_path: Path) -> str:
        return str(tmp_path / "state")

    @pytest.fixture
    def storage(self, open_storage: Opener, root_path: str) -> Storage:
        if os.geteuid() != 0:
            pytest.skip("storage needs root")
        return open_storage(root_path)

    @pytest.fixture
    def look(self, storage: Storage, tmp_path: Path) -> Look[T]:
        """Call a function on the root that a snapshot's mounts make."""
        place = tmp_path / "mounted"
        place.mkdir()

        def look(key: str, act: Callable[[str], T]) -> T:
            return mounted(storage.mounts(key), str(place), act)

        return look

    # -- what it says of itself ------------------------------------------------------------

    def test_capabilities_are_words_of_the_interface(self, storage: Storage) -> None:
        assert storage.capabilities <= {INDEPENDENT_LAYERS, MOUNTLESS}

    def test_probe_works_here_and_leaves_nothing(self, storage: Storage, root_path: str) -> None:
        storage.probe()
        before = count_entries(root_path), text_of("/proc/self/mountinfo")
        probe = storage.probe()
        assert isinstance(probe, Probe)
        assert probe.works, probe.reason
        assert (count_entries(root_path), text_of("/proc/self/mountinfo")) == before

    def test_state_is_for_root_alone(self, storage: Storage, root_path: str) -> None:
        _layer(storage, "a", None, "file")
        assert os.stat(root_path).st_mode & 0o777 == 0o700

    # -- life of a snapshot ----------------------------------------------------------------

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
        _layer(storage, "base", None)
        storage.prepare("box", "base")
        storage.view("look", "base")
        expected = {
            ("base", COMMITTED, None),
            ("box", ACTIVE, "base"),
            ("look", VIEW, "base"),
        }
        assert _all(storage) == expected
        assert {(s.key, s.kind, s.parent) for s in map(storage.stat, ("base", "box", "look"))} == (
            expected
        )

    def test_walk_has_parents_first(self, storage: Storage) -> None:
        parent = None
        for name in ("z", "m", "a", "q", "b"):
            _layer(storage, name, parent)
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
        _layer(storage, "base", None, "file")
        storage.prepare("box", "base")
        other = open_storage(root_path)
        assert _all(other) == _all(storage)
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

    # -- refusals --------------------------------------------------------------------------

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
            before = _all(storage)
            if not before:
                storage.prepare("other", None)
        assert _all(storage) == before

    @pytest.mark.parametrize("taken", ["base", "box", "look"])
    def test_a_taken_key(self, storage: Storage, taken: str) -> None:
        _layer(storage, "base", None)
        storage.prepare("box", "base")
        storage.view("look", "base")
        storage.prepare("more", "base")
        before, entries = _all(storage), storage.usage("base")
        acts: list[Callable[[], object]] = [
            lambda: storage.prepare(taken, None),
            lambda: storage.prepare(taken, "base"),
            lambda: storage.view(taken, "base"),
            lambda: storage.commit(taken, "more"),
        ]
        for act in acts:
            with pytest.raises(AlreadyExists):
                act()
        assert (_all(storage), storage.usage("base")) == (before, entries)

    def test_a_parent_is_not_removed(self, storage: Storage) -> None:
        _layer(storage, "base", None)
        _layer(storage, "top", "base")
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
        _layer(storage, "base", None)
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
        assert _all(storage) == {("chain-1", COMMITTED, None), ("chain-2", COMMITTED, "chain-1")}

    def test_active_ones_over_each_other_go_without_a_trace(
        self, storage: Storage, root_path: str
    ) -> None:
        if INDEPENDENT_LAYERS not in storage.capabilities:
            pytest.skip("layers are not independent")
        _layer(storage, "base", None)
        entries = count_entries(root_path)
        storage.prepare("low", "base")
        storage.prepare("high", "low")
        with pytest.raises(Conflict):
            storage.remove("low")
        storage.remove("high")
        storage.remove("low")
        assert count_entries(root_path) == entries

    # -- what is seen ----------------------------------------------------------------------

    def test_mounts_is_pure(self, storage: Storage, root_path: str, look: Look[None]) -> None:
        _layer(storage, "base", None, "file")
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
        _layer(storage, "a", None, "a")
        _layer(storage, "b", "a", "b")
        storage.prepare("box", "b")
        if MOUNTLESS in storage.capabilities:
            assert all("bind" in mount.options for mount in storage.mounts("box"))

    def test_layers_lie_on_each_other(self, storage: Storage, look: Look[dict[str, str]]) -> None:
        _layer(storage, "one", None, "etc/a", "etc/b", "etc/c")
        _layer(storage, "two", "one", "etc/b", "etc/d")
        _layer(storage, "three", "two", "etc/c")
        storage.prepare("box", "three")
        storage.view("look", "three")
        for key in ("box", "look"):
            seen = look(key, _contents_of_etc)
            assert seen == {"a": "one", "b": "two", "c": "three", "d": "two"}

    def test_a_view_of_one_layer(self, storage: Storage, look: Look[dict[str, str]]) -> None:
        _layer(storage, "one", None, "etc/a")
        storage.view("look", "one")
        assert look("look", _contents_of_etc) == {"a": "one"}

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_view_cannot_be_written(
        self, storage: Storage, look: Look[list[str]], layers: int
    ) -> None:
        _layer(storage, "layer-1", None, "a")
        _layer(storage, "layer-2", "layer-1", "b")
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
        _layer(storage, "base", None, "shared", "gone", "folder/inside")
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
        _layer(storage, "top", "base", "file")
        storage.prepare("box-1", "base")
        storage.prepare("box-2", "top")
        storage.view("look", "top")
        for key in ("box-1", "box-2", "look"):
            assert look(key, root_of) == (0o1751, 12, 34)

    def test_five_hundred_layers_or_a_word(self, storage: Storage, look: Look[object]) -> None:
        """A limit is the file system's; it must be told, not met by a failing mount."""
        parent = None
        for number in range(500):
            _layer(storage, f"sha256:{number:064}", parent, f"file-{number}")
            parent = f"sha256:{number:064}"
        assert parent is not None
        try:
            storage.prepare("box", parent)
        except PlugrunError as error:
            assert "layers" in error.message
            return
        assert look("box", lambda root: len(os.listdir(root))) == 500

    # -- what is kept ----------------------------------------------------------------------

    def test_everything_survives_a_commit(self, storage: Storage, look: Look[object]) -> None:
        storage.prepare("unpack", None)
        path = storage.layer_tree("unpack").path
        fill(path)
        expected = facts(path)
        storage.commit("base", "unpack")
        storage.view("look-1", "base")
        _layer(storage, "top", "base")
        storage.view("look-2", "top")
        storage.prepare("box", "top")
        for key in ("look-1", "look-2", "box"):
            seen = look(key, facts)
            assert seen == expected

    def test_a_deletion_hides_the_parents_file(
        self, storage: Storage, look: Look[list[str]]
    ) -> None:
        _layer(storage, "base", None, "kept", "gone", "folder/kept", "folder/gone")
        storage.prepare("unpack", "base")
        tree = storage.layer_tree("unpack")
        assert tree.whiteouts in (WHITEOUT_UNLINK, WHITEOUT_OVERLAYFS)
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
        _layer(storage, "base", None, "folder/old", "folder/both", "other/old")
        storage.prepare("unpack", "base")
        tree = storage.layer_tree("unpack")
        replace_folder(tree, "folder", lambda path: write(f"{path}/both", "new"))
        storage.commit("top", "unpack")
        storage.prepare("box", "top")
        assert look("box", _names) == ["folder", "folder/both", "other", "other/old"]

    def test_layer_tree_holds_its_own_entries_alone(self, storage: Storage) -> None:
        if INDEPENDENT_LAYERS not in storage.capabilities:
            pytest.skip("layers are not independent")
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
        _layer(storage, "base", None)
        storage.prepare("unpack", "base")
        path = storage.layer_tree("unpack").path
        empty = storage.usage("unpack")
        write(f"{path}/big", "x" * 1_000_000)
        os.link(f"{path}/big", f"{path}/again")
        used = storage.usage("unpack")
        assert 1_000_000 <= used.bytes - empty.bytes < 1_100_000
        assert used.inodes - empty.inodes == 1
        storage.commit("top", "unpack")
        assert storage.usage("top") == used
        storage.view("look", "top")
        assert storage.usage("look").bytes < 100_000

    # -- removal ---------------------------------------------------------------------------

    def test_a_tree_with_everything_is_removed(self, storage: Storage, root_path: str) -> None:
        _layer(storage, "base", None)
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
        _layer(storage, "base", None, "file")
        for key in ("a", "b", "c"):
            storage.prepare(key, "base")
        for key in ("b", "a"):
            storage.remove(key)
            assert look("c", lambda root: text_of(f"{root}/file")) == "base"
        storage.remove("c")
        storage.remove("base")
        assert list(storage.walk()) == []

    # -- crashes and races -----------------------------------------------------------------

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
            before, entries = _all(store), count_entries(f"{root_path}-{count}")
            was_killed = killed_at(count, act)
            again = open_storage(f"{root_path}-{count}")
            outcome = _all(again)
            again.sweep()
            assert _all(again) == outcome
            assert again.sweep() == 0
            if outcome == before:
                assert was_killed
                assert count_entries(f"{root_path}-{count}") <= entries, "strays are left"
                assert _seen_in_box(again, place) == _IN_BOX
                act()
            assert _all(again) != before
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
            if not _all(again):
                again.prepare("a", None)
            assert _all(again) == {("a", ACTIVE, None)}
            count += 1
        assert count > 0

    def test_two_that_prepare_the_same_key(self, storage: Storage) -> None:
        _layer(storage, "base", None)
        for number in range(_ROUNDS):
            key = f"box-{number}"
            acts = [
                lambda: storage.prepare(key, "base"),  # noqa: B023  (runs in this round)
                lambda: storage.view(key, "base"),  # noqa: B023
                lambda: storage.prepare(key, None),  # noqa: B023
            ]
            assert sorted(race(acts, PlugrunError)) == ["", "AlreadyExists", "AlreadyExists"]
        assert len(_all(storage)) == _ROUNDS + 1
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
            _layer(storage, base, None)
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


def _contents_of_etc(root: str) -> dict[str, str]:
    return {name: text_of(f"{root}/etc/{name}") for name in os.listdir(f"{root}/etc")}


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
    _layer(store, "base", None, "file")
    _layer(store, "top", "base", "a/b/c", "a/d", "e")
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
