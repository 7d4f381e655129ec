"""Entries put into a folder: many folders, deep ones, and links between them."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugrun.errors import Corrupt, PlugrunError
from plugrun.layers import entry as tar
from plugrun.layers.removal import remove_tree
from plugrun.layers.tarheader import new_entry
from plugrun.layers.treeplace import Placer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MORE_THAN_STAY_OPEN = 400


@contextmanager
def placer(top):
    base = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with Placer(base, b"/") as found:
            yield found
    finally:
        os.close(base)


def made(name, kind=tar.REGULAR, link=b""):
    entry = new_entry(name, kind)
    entry.mode, entry.linkname = 0o755, link
    return entry


def write(fd):
    os.write(fd, b"data")


def test_a_hard_link_is_put_where_it_belongs(tmp_path):
    count = MORE_THAN_STAY_OPEN
    with placer(tmp_path) as place:
        for number in range(count):
            place.put(made(b"d%d/file" % number), write)
        # One more, or the last to be opened were never that of a link's other name.
        place.put(made(b"odd/file"), write)
        for number in range(count):
            # Its folder is open, and the one it leads to may not be any more.
            other = count - 1 - number
            place.put(made(b"d%d/link" % number, tar.LINK, b"d%d/file" % other), write)
    for number in range(count):
        link, file = f"d{number}/link", f"d{count - 1 - number}/file"
        assert (tmp_path / link).stat().st_ino == (tmp_path / file).stat().st_ino


def test_folders_are_as_deep_as_a_container_makes_them(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    names = [b"/".join([b"d"] * depth) for depth in range(1, 1500)]
    try:
        with placer(top) as place:
            for name in names:
                place.put(made(name, tar.FOLDER), write)
            place.put(made(names[-1] + b"/file"), write)
        assert top.joinpath("d").stat().st_mtime == 0
        assert (top / os.fsdecode(names[-1]) / "file").read_text() == "data"
    finally:
        above = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        remove_tree(b"top", above)
        os.close(above)


IN_THE_WAY = {
    "a hard link to what is not there": [made(b"l", tar.LINK, b"none")],
    "a hard link to itself": [made(b"a"), made(b"a", tar.LINK, b"a")],
    "a hard link to a folder": [made(b"d", tar.FOLDER), made(b"l", tar.LINK, b"d")],
    "a hard link through a file": [made(b"a"), made(b"l", tar.LINK, b"a/b")],
    "beneath a file": [made(b"a"), made(b"a/b")],
    "beneath a ring": [made(b"a", tar.SYMLINK, b"a"), made(b"a/b")],
    "beneath a symlink to nothing": [made(b"a", tar.SYMLINK, b"none"), made(b"a/b")],
    "a symlink to nowhere at all": [made(b"a", tar.SYMLINK, b"")],
    "beneath what another name replaced": [
        made(b"a/x/1"),
        made(b"l", tar.SYMLINK, b"a"),
        made(b"l/x/2"),
        made(b"a/x"),
        made(b"l/x/3"),
    ],
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_entries_bring_about_is_told_of_the_entry(tmp_path, name):
    top = tmp_path / "top"
    top.mkdir()
    base = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with (
            pytest.raises(Corrupt, match="entry '"),
            Placer(base, b"", base, replaces=True) as place,
        ):
            for entry in IN_THE_WAY[name]:
                place.put(entry, write)
    finally:
        os.close(base)
    assert os.listdir(tmp_path) == ["top"]


NAMES = (b"a", b"a/x", b"a/x/1", b"a/l", b"l", b"l/x", b"l/x/1", b"l/x/2")
KINDS = (
    *((tar.REGULAR, b""), (tar.FOLDER, b""), (tar.FIFO, b""), (tar.LINK, b"a/x/1")),
    *((tar.LINK, b"l/x"), (tar.LINK, b"a"), (tar.SYMLINK, b"a"), (tar.SYMLINK, b"/")),
    *((tar.SYMLINK, b"../l"), (tar.SYMLINK, b"l"), (tar.SYMLINK, b"../../../..")),
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(KINDS)), max_size=8))
def test_any_entries_are_put_within_or_refused(tmp_path_factory, entries):
    tmp_path = tmp_path_factory.mktemp("any")
    (tmp_path / "top").mkdir()
    base = os.open(tmp_path / "top", os.O_RDONLY | os.O_DIRECTORY)
    before = os.listdir("/proc/self/fd")
    try:
        with suppress(PlugrunError), Placer(base, b"", base, replaces=True) as place:
            for name, (kind, link) in entries:
                place.put(made(name, kind, link), write)
        assert os.listdir("/proc/self/fd") == before
    finally:
        os.close(base)
    assert os.listdir(tmp_path) == ["top"]
