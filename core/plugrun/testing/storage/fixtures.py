"""What the contract's tests of a storage stand on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pytest

from plugrun.interfaces.storage import PACKED, Storage
from plugrun.testing.forked import mounted
from plugrun.testing.trees import (
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Opener = Callable[[str], Storage]
Look = Callable[[str, Callable[[str], T]], T]


def commit_layer(storage: Storage, name: str, parent: str | None, *files: str) -> None:
    """Commit a layer of files, each holding its layer's name."""
    storage.prepare(f"unpack-{name}", parent)
    tree = storage.layer_tree(f"unpack-{name}")
    for file in files:
        os.makedirs(os.path.dirname(f"{tree.path}/{file}"), exist_ok=True)
        write(f"{tree.path}/{file}", name)
    storage.commit(name, f"unpack-{name}")


def all_of(storage: Storage) -> set[tuple[str, str, str | None]]:
    """Return key, kind and parent of every snapshot."""
    return {(s.key, s.kind, s.parent) for s in storage.walk()}


def folder_with(root: str, name: str) -> str:
    """Return the folder beneath the state that holds a file: a layer's own, on any storage."""
    found = [folder for folder, _, files in os.walk(root) if name in files]
    assert found, f"no {name} beneath {root}"
    return min(found, key=lambda folder: os.stat(f"{folder}/{name}").st_ctime_ns)


def place_of_layer(storage: Storage, name: str, root: str, file: str) -> str:
    """Return where the committed layer ``name``, which has no parent, keeps its ``file``.

    That is a folder, or the image it has been packed into.
    """
    if PACKED not in storage.capabilities:
        return folder_with(root, file)
    storage.view("where", name)
    [mount] = storage.mounts("where")
    storage.remove("where")
    assert os.path.isfile(mount.source), f"a view of {name} is no mount of its image"
    return mount.source


def remove_layer(place: str) -> None:
    """Delete a layer's folder or image, as somebody might by hand."""
    if os.path.isdir(place):
        shutil.rmtree(place)
    else:
        os.unlink(place)


class StorageFixtures:
    """What is promised of every storage."""

    @pytest.fixture
    def root_path(self, tmp_path: Path) -> str:
        """Return where the state lies; override it to choose the file system."""
        return str(tmp_path / "state")

    @pytest.fixture
    def storage(self, open_storage: Opener, root_path: str) -> Storage:
        """Return a storage without snapshots."""
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
