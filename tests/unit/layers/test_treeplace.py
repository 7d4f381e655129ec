"""Entries put into a folder: many folders, deep ones, and links between them."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
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
