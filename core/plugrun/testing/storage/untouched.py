"""What a storage says of its cost and of time, which the core relies on."""

# ruff: noqa: D102  (the name of a test says what is promised)

from __future__ import annotations

import os

from plugrun.interfaces.storage import CHANGE_TIMES, INDEPENDENT_LAYERS, WHOLE_IMAGES, Storage
from plugrun.testing.storage.fixtures import Look, StorageFixtures, commit_layer
from plugrun.testing.trees import fill, write

_ROUNDS = 5


class UntouchedContract(StorageFixtures):
    """What a storage says of its cost and of time."""

    def test_times_tell_what_was_touched_if_it_says_so(
        self, storage: Storage, look: Look[dict[str, int]]
    ) -> None:
        if CHANGE_TIMES not in storage.capabilities:
            return
        storage.prepare("unpack", None)
        fill(storage.layer_tree("unpack").path)
        for name in ("written", "touched", "linked"):
            write(f"{storage.layer_tree('unpack').path}/{name}")
        storage.commit("base", "unpack")
        for number in range(_ROUNDS):
            key = f"box-{number}"
            storage.prepare(key, "base")
            tree, created = storage.layer_tree(key).path, storage.stat(key).created_ns
            # At once: a clock that has not gone on since would make these look old.
            write(f"{tree}/written", "x")
            os.chmod(f"{tree}/touched", 0o600)
            os.link(f"{tree}/linked", f"{tree}/new")
            times = look(key, _change_times)
            after = {path for path, moment in times.items() if moment > created}
            assert after == {"", "/written", "/touched", "/linked", "/new"}

    def test_untouched_snapshots_take_nothing_if_times_tell(self, storage: Storage) -> None:
        if CHANGE_TIMES not in storage.capabilities:
            return
        commit_layer(storage, "base", None, "one", "two/three")
        storage.prepare("box", "base")
        assert storage.usage("box").content == 0
        write(f"{storage.layer_tree('box').path}/two/three", "12345")
        assert storage.usage("box").content == 5

    def test_whole_images_are_not_independent_layers(self, storage: Storage) -> None:
        assert not {WHOLE_IMAGES, INDEPENDENT_LAYERS} <= storage.capabilities


def _change_times(root: str) -> dict[str, int]:
    """Return the ctime of everything in a tree, by path."""
    found = {"": os.stat(root).st_ctime_ns}
    for folder, folders, files, fd in os.fwalk(root):
        for name in folders + files:
            state = os.stat(name, dir_fd=fd, follow_symlinks=False)
            found[f"{folder[len(root) :]}/{name}"] = state.st_ctime_ns
    return found
