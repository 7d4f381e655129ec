"""Snapshots that show other owners than those on disk."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from plugrun.interfaces.storage import IDMAPPED, INDEPENDENT_LAYERS, Storage
from plugrun.layers.owners import of_namespace
from plugrun.linux.idmap import ActingAs, MountIds
from plugrun.model.idmap import IdMap, IdRange
from plugrun.model.record import replace
from plugrun.testing.forked import mounted
from plugrun.testing.storage.fixtures import Look, StorageFixtures, commit_layer

T = TypeVar("T")
_FIRST = 0x70000000
IDS = IdMap((IdRange(0, _FIRST, 65536),), (IdRange(0, _FIRST + 65536, 65536),))
_CAPABILITY = bytes.fromhex("0000000200200000000000000000000000000000")


class IdmappedContract(StorageFixtures):
    """Snapshots that show other owners than those on disk."""

    @pytest.fixture
    def inside(self, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Look[T]:
        """Call a function on the root of a snapshot's mounts with other owners, as their root."""
        if IDMAPPED not in storage.capabilities:
            pytest.skip("this storage shows the owners on disk only")
        place = str(tmp_path_factory.mktemp("inside"))

        def look(key: str, act: Callable[[str], T]) -> T:
            def work(root: str) -> T:
                with ActingAs(*IDS.owner_outside(0, 0)):
                    return act(root)

            mounts = tuple(replace(mount, ids=IDS) for mount in storage.mounts(key))
            return mounted(mounts, place, work)

        return look

    @pytest.mark.parametrize("layers", [0, 1, 3])
    def test_owners_are_shown_inside_and_kept_on_disk(
        self, storage: Storage, inside: Look[object], look: Look[object], layers: int
    ) -> None:
        parent = _stack(storage, layers)
        storage.prepare("box", parent)
        found = inside("box", _change)
        assert found == {
            "": (_FIRST, _FIRST + 65536),
            "made": (_FIRST, _FIRST + 65536),
            "given": (_FIRST + 5, _FIRST + 65536 + 6),
            "folder": (_FIRST, _FIRST + 65536),
            "folder/link": (_FIRST, _FIRST + 65536),
            **{f"file-{n}": (_FIRST + n, _FIRST + 65536 + n) for n in range(layers)},
        }
        own = {"": (0, 0), "made": (0, 0), "given": (5, 6), "folder": (0, 0)}
        own |= {"folder/link": (0, 0), **{f"file-{n}": (n, n) for n in range(layers)}}
        assert look("box", _owners) == own

    def test_what_is_committed_has_the_owners_on_disk(
        self, storage: Storage, inside: Look[object], look: Look[object]
    ) -> None:
        storage.prepare("box", _stack(storage, 2))
        inside("box", _change)
        own = look("box", _owners)
        if INDEPENDENT_LAYERS in storage.capabilities:
            tree = storage.layer_tree("box").path
            assert _owners(tree)["given"] == (5, 6)
        storage.commit("done", "box")
        storage.prepare("next", "done")
        storage.view("look", "done")
        assert look("next", _owners) == look("look", _owners) == own

    def test_lower_files_are_written_and_removed(
        self, storage: Storage, inside: Look[object], look: Look[object]
    ) -> None:
        storage.prepare("box", _stack(storage, 3))

        def act(root: str) -> None:
            with open(f"{root}/file-1", "a") as file:
                file.write("more")
            os.unlink(f"{root}/file-2")
            os.rename(f"{root}/file-0", f"{root}/moved")

        inside("box", act)
        assert look("box", _owners) == {"": (0, 0), "file-1": (1, 1), "moved": (0, 0)}

    def test_who_has_no_place_is_nobody(self, storage: Storage, inside: Look[object]) -> None:
        commit_layer(storage, "base", None)
        storage.prepare("unpack", "base")
        path = storage.layer_tree("unpack").path
        with open(f"{path}/far", "w"):
            os.chown(f"{path}/far", 70000, 70000)
        storage.commit("top", "unpack")
        storage.prepare("box", "top")

        def act(root: str) -> bool:
            state = os.stat(f"{root}/far")
            return (state.st_uid, state.st_gid) == (65534, 65534)

        assert inside("box", act)

    def test_file_capabilities_are_those_of_its_root(
        self, storage: Storage, inside: Look[object], look: Look[object]
    ) -> None:
        storage.prepare("box", _stack(storage, 1))
        name = "security.capability"

        def act(root: str) -> bytes:
            os.setxattr(f"{root}/file-0", name, of_namespace(_CAPABILITY, IDS))
            return os.getxattr(f"{root}/file-0", name)

        seen = inside("box", act)
        assert isinstance(seen, bytes)
        assert int.from_bytes(seen[20:24], "little") in (0, _FIRST)
        assert look("box", lambda root: os.getxattr(f"{root}/file-0", name)) == _CAPABILITY

    def test_two_mappings_of_one_image(
        self, storage: Storage, inside: Look[object], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        parent = _stack(storage, 2)
        storage.prepare("one", parent)
        storage.prepare("two", parent)
        far = IdMap((IdRange(0, _FIRST * 2 - 1, 9),), (IdRange(0, _FIRST + 3, 9),))
        place = str(tmp_path_factory.mktemp("far"))
        mounts = tuple(replace(mount, ids=far) for mount in storage.mounts("two"))
        shown = mounted(mounts, place, _owners)
        assert shown["file-1"] == (_FIRST * 2, _FIRST + 4)
        assert inside("one", lambda root: os.stat(f"{root}/file-1").st_uid) == _FIRST + 1

    def test_a_namespace_can_be_given(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root")
        with MountIds(IDS) as made, MountIds(IDS, made.namespace) as again:
            assert (again.uid, again.gid) == IDS.owner_outside(0, 0)
            own = [os.fstat(ids.namespace).st_ino for ids in (made, again)]
            assert own[0] == own[1]


def _stack(storage: Storage, layers: int) -> str | None:
    parent = None
    for number in range(layers):
        storage.prepare("unpack", parent)
        path = f"{storage.layer_tree('unpack').path}/file-{number}"
        with open(path, "w") as file:
            file.write("lower")
        os.chown(path, number, number)
        parent = f"layer-{number}"
        storage.commit(parent, "unpack")
    return parent


def _change(root: str) -> dict[str, tuple[int, int]]:
    for name in ("made", "given"):
        with open(f"{root}/{name}", "w") as file:
            file.write(name)
    os.chown(f"{root}/given", _FIRST + 5, _FIRST + 65536 + 6)
    os.mkdir(f"{root}/folder")
    os.symlink("nowhere", f"{root}/folder/link")
    return _owners(root)


def _owners(root: str) -> dict[str, tuple[int, int]]:
    found = {}
    for folder, folders, files in os.walk(root):
        for name in ("", *folders, *files):
            state = os.lstat(os.path.join(folder, name))
            path = os.path.relpath(os.path.join(folder, name), root)
            found["" if path == "." else path] = (state.st_uid, state.st_gid)
    return found
