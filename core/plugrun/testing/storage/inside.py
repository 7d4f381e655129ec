"""What programs make inside a snapshot, and what the next ones find of it."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
import random
import socket

import pytest

from plugrun.errors import Conflict
from plugrun.interfaces.storage import INDEPENDENT_LAYERS, POSIX_UNION, Storage
from plugrun.testing.storage.actions import XATTRS
from plugrun.testing.storage.fixtures import Look, StorageFixtures, commit_layer
from plugrun.testing.trees import Facts, delete, facts, fill, text_of, write

_NAMES_OF_ONE = 6  # the place in a file's facts that says which names are one file
_TIMES = [-2_000_000_000_123_456_789, -1, 1, 999_999_999, 4_000_000_000_987_654_321]
_HUGE = 10_000
_ORDERS = 6


class InsideContract(StorageFixtures):
    """What programs make inside a snapshot."""

    @pytest.mark.parametrize("parent", [None, "base"])
    def test_everything_made_inside_survives_a_commit(
        self, storage: Storage, look: Look[object], parent: str | None
    ) -> None:
        commit_layer(storage, "base", None)
        storage.prepare("box", parent)
        look("box", _fill_all)
        made = look("box", facts)
        storage.commit("done", "box")
        storage.view("look", "done")
        storage.prepare("next", "done")
        assert look("look", facts) == made
        assert look("next", facts) == made

    def test_the_first_write_changes_nothing_else(
        self, storage: Storage, look: Look[Facts]
    ) -> None:
        storage.prepare("unpack", None)
        path = storage.layer_tree("unpack").path
        _fill_all(path)
        storage.commit("base", "unpack")
        storage.prepare("box", "base")

        def touch_all(root: str) -> Facts:
            for folder, folders, files, fd in os.fwalk(root):
                for name in folders + files:
                    _touch(f"/proc/self/fd/{fd}/{name}", f"{folder}/{name}")
            return facts(root)

        before, after = look("box", facts), look("box", touch_all)
        if POSIX_UNION not in storage.capabilities:  # names of one file part when it is written
            before, after = _without_links(before), _without_links(after)
        assert after == before

    def test_times_are_kept_to_the_nanosecond(
        self, storage: Storage, look: Look[list[int]], root_path: str
    ) -> None:
        wanted = _times_that_fit(f"{root_path}-times")
        commit_layer(storage, "base", None, "lower")
        storage.prepare("box", "base")

        def set_times(root: str) -> list[int]:
            for number, time_ns in enumerate(_TIMES):
                write(f"{root}/file-{number}")
                os.mkdir(f"{root}/folder-{number}")
                os.symlink("nowhere", f"{root}/symlink-{number}")
                for kind in ("file", "folder", "symlink"):
                    path = f"{root}/{kind}-{number}"
                    os.utime(path, ns=(time_ns, time_ns), follow_symlinks=False)
            return see_times(root)

        def see_times(root: str) -> list[int]:
            kinds = ("file", "folder", "symlink")
            names = [f"{root}/{kind}-{n}" for kind in kinds for n in range(len(_TIMES))]
            return [os.lstat(name).st_mtime_ns for name in names]

        assert look("box", set_times) == wanted * 3
        storage.commit("done", "box")
        storage.prepare("next", "done")
        assert look("next", see_times) == wanted * 3

    def test_long_symlinks(self, storage: Storage, look: Look[list[int]], root_path: str) -> None:
        longest = _longest_target(f"{root_path}-symlink")
        storage.prepare("unpack", None)
        os.symlink("l" * longest, f"{storage.layer_tree('unpack').path}/lower")
        storage.commit("base", "unpack")
        storage.prepare("box", "base")
        look("box", lambda root: os.symlink("u" * longest, f"{root}/upper"))  # type: ignore[arg-type,return-value]
        look("box", lambda root: os.rename(f"{root}/lower", f"{root}/moved"))  # type: ignore[arg-type,return-value]
        storage.commit("done", "box")
        storage.view("look", "done")

        def lengths(root: str) -> list[int]:
            return [len(os.readlink(f"{root}/{name}")) for name in ("moved", "upper")]

        assert look("look", lengths) == [longest, longest]

    def test_a_huge_folder(self, storage: Storage, look: Look[int]) -> None:
        storage.prepare("unpack", None)
        path = storage.layer_tree("unpack").path
        os.mkdir(f"{path}/huge")
        for number in range(_HUGE):
            os.mknod(f"{path}/huge/{number}")
        storage.commit("base", "unpack")
        storage.prepare("box", "base")

        def change(root: str) -> int:
            for number in range(0, _HUGE, 4):
                os.unlink(f"{root}/huge/{number}")
            for number in range(100):
                write(f"{root}/huge/new-{number}")
            return count(root)

        def count(root: str) -> int:
            names = os.listdir(f"{root}/huge")
            assert len(names) == len(set(names))
            return len(names)

        expected = _HUGE - _HUGE // 4 + 100
        assert look("box", change) == expected
        storage.commit("done", "box")
        storage.view("look", "done")
        assert look("look", count) == expected

    def test_each_of_many_layers_counts(self, storage: Storage, look: Look[object]) -> None:
        parent = None
        count = 127 if INDEPENDENT_LAYERS in storage.capabilities else 16
        for number in range(count):
            storage.prepare("unpack", parent)
            tree = storage.layer_tree("unpack")
            write(f"{tree.path}/{number}")
            write(f"{tree.path}/last", str(number))
            if number % 3 == 2:
                delete(tree, str(number - 1))
            parent = f"layer-{number}"
            storage.commit(parent, "unpack")
        assert parent is not None
        storage.prepare("box", parent)
        expected = {"last", *(str(n) for n in range(count) if n % 3 != 1 or n == count - 1)}
        assert set(look("box", os.listdir)) == expected  # type: ignore[call-overload]
        assert look("box", lambda root: text_of(f"{root}/last")) == str(count - 1)

    def test_a_container_of_a_container_of_a_container(
        self, storage: Storage, look: Look[object]
    ) -> None:
        commit_layer(storage, "done-0", None, "log", "folder/0")
        for number in range(1, 7):
            storage.prepare("box", f"done-{number - 1}")

            def live(root: str, number: int = number) -> None:
                with open(f"{root}/log", "a", encoding="utf-8") as file:
                    file.write(f" {number}")
                os.rename(f"{root}/folder/{number - 1}", f"{root}/{number - 1}")
                write(f"{root}/folder/{number}")
                if number > 1:
                    os.unlink(f"{root}/{number - 2}")

            look("box", live)
            storage.commit(f"done-{number}", "box")
        for number in range(1, 7):
            storage.view(f"look-{number}", f"done-{number}")
            seen = look(f"look-{number}", lambda root: sorted(p.lstrip("/") for p in facts(root)))
            assert seen == sorted(["folder", f"folder/{number}", "log", str(number - 1)])
        log = look("look-6", lambda root: text_of(f"{root}/log"))
        assert log == "done-0 1 2 3 4 5 6"

    @pytest.mark.parametrize("order", range(_ORDERS))
    def test_removed_in_any_order(self, storage: Storage, look: Look[object], order: int) -> None:
        commit_layer(storage, "base", None, "file")
        commit_layer(storage, "middle", "base", "file")
        commit_layer(storage, "top", "middle", "file")
        for key, parent in (("box-1", "base"), ("box-2", "top"), ("box-3", "top")):
            storage.prepare(key, parent)
            look(key, lambda root, key=key: write(f"{root}/own", key))  # type: ignore[misc]
        storage.view("look", "middle")
        left = [found.key for found in storage.walk()]
        random.Random(order).shuffle(left)  # noqa: S311
        while left:
            key = left.pop(0)
            parents = {found.parent for found in storage.walk()}
            if key not in parents:
                storage.remove(key)
            else:
                with pytest.raises(Conflict):
                    storage.remove(key)
                left.append(key)
            for box in {"box-1", "box-2", "box-3"} & set(left):
                assert look(box, lambda root: text_of(f"{root}/own")) == box
        assert list(storage.walk()) == []


def _fill_all(root: str) -> None:
    """Make one of everything, and what not every layer can hold: ACLs and a socket."""
    fill(root)
    os.setxattr(f"{root}/private", "system.posix_acl_access", XATTRS["system.posix_acl_access"][0])
    default = "system.posix_acl_default"
    os.setxattr(f"{root}/sticky", default, XATTRS[default][1])
    os.setxattr(f"{root}/plain", "security.capability", XATTRS["security.capability"][0])
    here = os.getcwd()
    os.chdir(root)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.chdir(here)


def _touch(path: str, shown: str) -> None:
    """Have an entry in the snapshot's own layer without changing it."""
    if os.path.isfile(path) and not os.path.islink(path):
        os.close(os.open(path, os.O_RDWR | os.O_APPEND))
        return
    found = os.lstat(path)
    os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)
    assert os.lstat(path).st_mtime_ns == found.st_mtime_ns, shown


def _without_links(found: Facts) -> Facts:
    place = _NAMES_OF_ONE
    return {path: (*each[:place], *each[place + 1 :]) for path, each in found.items()}


def _longest_target(path: str) -> int:
    """Return how long a symlink may be on this file system: 1023 bytes on xfs."""
    try:
        os.symlink("x" * 4095, path)
    except OSError:
        return 1023
    return 4095


def _times_that_fit(path: str) -> list[int]:
    """Return the times as this file system keeps them: some end in 2038."""
    write(path)
    kept = []
    for time_ns in _TIMES:
        os.utime(path, ns=(time_ns, time_ns))
        kept.append(os.stat(path).st_mtime_ns)
    return kept
