"""The comparison of a union with a plain folder finds what it is for."""

from __future__ import annotations

import os
import stat

import pytest
from plugrun.model.record import replace
from plugrun.testing.storage.unions import Both
from plugrun_storage_overlay.storage import OverlayStorage

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class UpsideDown(OverlayStorage):
    """Has the layers in the wrong order."""

    def union(self, lower, upper, work):
        return super().union(lower[::-1], upper, work)


class WithoutDevices(OverlayStorage):
    """Opens no devices."""

    def mounts(self, key):
        return tuple(replace(m, options=(*m.options, "nodev")) for m in super().mounts(key))


class Forgetful(OverlayStorage):
    """Loses something in a commit."""

    def commit(self, name, key):
        for folder, folders, files in os.walk(self.layer_tree(key).path):
            for path in (f"{folder}/{name}" for name in folders + files):
                self.lose(path)
        super().commit(name, key)


class WithoutXattrs(Forgetful):
    def lose(self, path):
        if stat.S_ISREG(os.lstat(path).st_mode) and "user.one" in os.listxattr(path):
            os.removexattr(path, "user.one")


class WithoutMarks(Forgetful):
    def lose(self, path):
        if os.path.isdir(path) and "trusted.overlay.opaque" in os.listxattr(path):
            os.removexattr(path, "trusted.overlay.opaque")


class WithoutPast(Forgetful):
    def lose(self, path):
        if os.lstat(path).st_mtime_ns < 0:
            os.utime(path, (0, 0), follow_symlinks=False)


class Boastful(OverlayStorage):
    """Says of itself what is not so."""

    def __init__(self, root):
        super().__init__(root)
        self.capabilities |= {"posix-union"}


@pytest.fixture
def compare(tmp_path):
    (tmp_path / "union").mkdir()

    def compare(kind, beginning, *lives):
        both = Both(kind(f"{tmp_path}/{kind.__name__}"), f"{tmp_path}/plain", f"{tmp_path}/union")
        return both.difference(beginning, lives)

    return compare


@pytest.mark.parametrize(
    ("kind", "beginning", "acts", "told"),
    [
        (UpsideDown, "changing", [("read", "f")], "act 0"),
        (WithoutDevices, "one", [("open", 0, "n", os.O_RDWR, 0)], "act 0"),
        (WithoutXattrs, "one", [("stat", "g")], "'./g'"),
        (WithoutXattrs, "nothing", [("write", "a", "x", 1, os.O_CREAT),
                                    ("setxattr", "a", "user.one", 0, 0)], "was committed"),
        (WithoutMarks, "hiding", [("stat", "f")], "'./d/e/g'"),
        (WithoutPast, "nothing", [("mkdir", "a", 0o755), ("utime", "a", -1, 1)], "was committed"),
        (Boastful, "links", [("write", "h", "x", 9, 0)], "'./"),
        (Boastful, "one", [("rename", "d", "new", 0)], "EXDEV"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(compare, kind, beginning, acts, told):
    names = {"one": "one layer", "changing": "a changing layer", "hiding": "a hiding layer"}
    found = compare(kind, names.get(beginning, beginning), acts)
    assert told in found
    assert compare(OverlayStorage, names.get(beginning, "one layer"), acts) == ""


def test_the_same_seed_draws_the_same(tmp_path):
    place = str(tmp_path / "union")
    os.mkdir(place)
    both = Both(OverlayStorage(f"{tmp_path}/state"), f"{tmp_path}/plain", place)
    first, again, other = (both.drawn("hidden and back", seed) for seed in (1, 1, 2))
    assert first == again != other


def test_few_acts_are_told(tmp_path):
    place = str(tmp_path / "union")
    os.mkdir(place)
    both = Both(WithoutDevices(f"{tmp_path}/state"), f"{tmp_path}/plain", place)
    idle = [("stat", "f"), ("listdir", "d"), ("write", "new", "x", 5, os.O_CREAT)] * 3
    fault = ("open", 0, "n", os.O_RDWR, 0)
    with pytest.raises(AssertionError) as caught:
        both.check("hidden and back", [idle, [*idle, fault, *idle]])
    told = str(caught.value).splitlines()
    start = told.index("def test_found(self, storage, root_path, tmp_path):")
    assert [line.strip() for line in told[start + 3 : start + 6]] == ["[", f"{fault!r},", "],"]
