"""Digests of files that were read before: each file is read once, however many there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plugrun.engine.build import digests
from plugrun.engine.build.digests import Digests
from plugrun.engine.build.listing import Listing, list_source
from plugrun.engine.build.sources import Tree, find_sources


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read, by name."""
    found: list[str] = []
    read = digests._read

    def noted(fd: int) -> bytes:
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        return read(fd)

    monkeypatch.setattr(digests, "_read", noted)
    # What was written a moment ago is remembered as well here: nobody writes it in that moment.
    monkeypatch.setattr(digests, "_TICK_NS", -(10**12))
    monkeypatch.setattr(digests, "_COARSE_NS", -(10**12))
    return found


def listed(root: Path, context: Path) -> Listing:
    fd = os.open(context, os.O_RDONLY | os.O_DIRECTORY)
    try:
        tree = Tree(fd, "context")
        with Digests(str(root)) as known:
            [source] = find_sources(tree, ".")
            return list_source(tree, source, None, known)
    finally:
        os.close(fd)


@pytest.mark.parametrize("much", [0, 200_000])
def test_one_of_many_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch, much: int
) -> None:
    monkeypatch.setattr(digests, "_MUCH", much)
    monkeypatch.setattr(digests, "_LARGEST_BATCH", 64)
    root, context = tmp_path / "root", tmp_path / "context"
    for number in range(1000):
        path = context / f"{number % 7}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    first = listed(root, context)
    assert len(reads) == 1000
    reads.clear()
    assert listed(root, context).digest == first.digest
    assert reads == []
    (context / "3/500").unlink()
    (context / "3/500").write_text("changed\n")
    (context / "new").write_text("new\n")
    (context / "0/0").unlink()
    changed = listed(root, context)
    assert changed.digest != first.digest
    assert sorted(reads) == ["500", "new"]
    reads.clear()
    assert listed(root, context).digest == changed.digest
    assert reads == []


def test_a_part_of_a_context_and_another_one(tmp_path: Path, reads: list[str]) -> None:
    """What is remembered of one is in nobody's way."""
    root = tmp_path / "root"
    for name in ("one", "two"):
        for number in range(100):
            path = tmp_path / name / "sub" / f"{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{number}\n")
    one, two = listed(root, tmp_path / "one"), listed(root, tmp_path / "two")
    assert one.digest == two.digest
    assert len(reads) == 200
    reads.clear()
    listed(root, tmp_path / "two" / "sub")
    listed(root, tmp_path / "one")
    assert reads == []
