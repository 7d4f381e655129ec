"""Where COPY finds its sources, what it lists of them, and what it remembers of their contents."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugrun.dockerfile.patterns import Matcher
from plugrun.engine.build.digests import Digests
from plugrun.engine.build.listing import Listing, list_source
from plugrun.engine.build.sources import Tree, find_sources, resolve
from plugrun.errors import InvalidArgument, NotFound


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("own", "a/one.txt", "a/two.txt", "b/one.txt"):
        path = tmp_path / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "outside").write_text("secret")
    return tmp_path / "context"


@pytest.fixture
def tree(top: Path) -> Iterator[Tree]:
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    yield Tree(fd, "context")
    os.close(fd)


def paths(tree: Tree, pattern: str) -> list[str]:
    return [one.path for one in find_sources(tree, pattern)]


def listed(tree: Tree, root: Path, pattern: str = ".") -> Listing:
    [source] = find_sources(tree, pattern)
    with Digests(str(root)) as digests:
        return list_source(tree, source, None, digests)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("own", ["own"]),
        ("/own", ["own"]),
        ("../../own", ["own"]),
        ("a/../own", ["own"]),
        (".", [""]),
        ("*/one.txt", ["a/one.txt", "b/one.txt"]),
        ("a/[ot]*.txt", ["a/one.txt", "a/two.txt"]),
    ],
)
def test_patterns(tree: Tree, pattern: str, found: list[str]) -> None:
    assert paths(tree, pattern) == found


@pytest.mark.parametrize("target", ["../outside", "/outside", "{out}", "nowhere"])
def test_symlinks_lead_nowhere_outside(tree: Tree, top: Path, target: str) -> None:
    (top / "link").symlink_to(target.format(out=top.parent / "outside"))
    with pytest.raises(NotFound):
        find_sources(tree, "link")


def test_symlinks_lead_within(tree: Tree, top: Path) -> None:
    (top / "link").symlink_to("/a")
    (top / "a/up").symlink_to("../own")
    assert paths(tree, "link/one.txt") == ["a/one.txt"]
    assert paths(tree, "link/up") == ["own"]
    (top / "round").symlink_to("round")
    with pytest.raises(InvalidArgument, match="too many symlinks"):
        resolve(tree, "round")


def test_what_is_ignored_is_not_found_by_another_name(tree: Tree, top: Path) -> None:
    (top / "link").symlink_to("own")
    hiding = Tree(tree.fd, "context", Matcher(("own",)))
    for name in ("own", "link"):
        with pytest.raises(NotFound):
            find_sources(hiding, name)


def test_a_listing_depends_on_names_modes_and_contents_alone(
    tree: Tree, top: Path, tmp_path: Path
) -> None:
    before = listed(tree, tmp_path)
    os.utime(top / "own", (1, 1))
    assert listed(tree, tmp_path).digest == before.digest
    digests = {before.digest}
    for change in (
        lambda: (top / "own").chmod(0o600),
        lambda: (top / "own").write_text("OWN"),
        lambda: (top / "own").rename(top / "other"),
        lambda: (top / "link").symlink_to("own"),
        lambda: (top / "empty").mkdir(),
        lambda: os.mkfifo(top / "fifo"),
    ):
        change()
        digests.add(listed(tree, tmp_path).digest)
    assert len(digests) == 7


def test_names_and_contents_do_not_run_together(tree: Tree, top: Path, tmp_path: Path) -> None:
    found = set()
    for name, text in (("ab", "c"), ("a1", "bc"), ("x", "")):
        folder = top / "pair"
        folder.mkdir()
        (folder / name).write_text(text)
        found.add(listed(tree, tmp_path, "pair").digest)
        (folder / name).unlink()
        folder.rmdir()
    assert len(found) == 3


def test_what_is_left_out_is_told(tree: Tree, tmp_path: Path) -> None:
    hiding = Tree(tree.fd, "context", Matcher(("a", "!a/two.txt")))
    found = listed(hiding, tmp_path)
    assert list(found.facts) == ["", "a", "a/two.txt", "b", "b/one.txt", "own"]
    assert found.left_out == ("a/one.txt",)


@pytest.mark.parametrize("age_ns", [1, 10**9])
def test_digests_are_remembered_until_a_file_changes(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_ns: int
) -> None:
    """One that is so young that a later write could bear the same time is not remembered."""
    path = top / "own"
    monkeypatch.setattr(time, "time_ns", lambda: path.stat().st_ctime_ns + age_ns)
    with open(path, "rb") as file, Digests(str(tmp_path)) as digests:
        state = os.fstat(file.fileno())
        digest = digests.of(file.fileno(), state, keep=True)
    with Digests(str(tmp_path)) as digests:
        assert digests.known(state) == (digest if age_ns > 1 else None)
        path.write_text("changed")
        assert digests.known(path.stat()) is None


def test_of_a_stage_attributes_count(tree: Tree, top: Path, tmp_path: Path) -> None:
    stage = Tree(tree.fd, "stage", keeps_owners=True)
    before = listed(stage, tmp_path), listed(tree, tmp_path)
    os.setxattr(top / "own", "user.kind", b"another")
    after = listed(stage, tmp_path), listed(tree, tmp_path)
    assert before[0].digest != after[0].digest
    assert before[1].digest == after[1].digest
