"""What a layer's tar says: applied over the tree it was made against, it gives the other tree."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plugrun.interfaces.storage import (
    WHITEOUT_OVERLAYFS,
    WHITEOUT_UNLINK,
    WHITEOUT_USERXATTR,
    LayerTree,
)
from plugrun.layers import treechanges
from plugrun.layers.changes import told
from plugrun.layers.layerchanges import layer_changes
from plugrun.layers.layertar import write_layer
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treechanges import tree_changes
from plugrun.layers.unpack import unpack_layer
from plugrun.linux.mounting import MNT_DETACH, mount, umount
from plugrun.linux.othermounts import in_new_mounts
from plugrun.snapshots.copying import copy_fresh_tree
from plugrun.testing import trees

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

# Few, so that acts meet each other.
NAMES = st.sampled_from(["a", "b", "ü" * 100])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = ["file", "folder", "remove", "replace", "mode", "link", "symlink", "rename", "fifo"]
KINDS += ["xattr", "owner"]
ACTS = st.lists(st.tuples(st.sampled_from(KINDS), PATHS, PATHS, st.integers(0, 3)), max_size=14)
BEGIN = [("folder", "a/a", "", 0), ("folder", "a/b", "", 0), ("file", "a/a/a", "", 1)]
BEGIN += [("file", "a/b/b", "", 2), ("file", "b", "", 3), ("link", "b", "a/b/a", 0)]

FOLLOWING = frozenset(("file", "folder", "replace", "mode", "xattr"))  # a link to its end

EXCHANGE = [("rename", "a/a", "c", 0), ("rename", "b2/a", "a/a", 0), ("rename", "c", "b2/a", 0)]
_COARSE = 5  # CLOCK_REALTIME_COARSE


def is_inside(root: str, place: str, *, itself: bool) -> bool:
    """Whether what an act reaches lies in the tree; ``itself`` if that is a link's own entry."""
    reached = os.path.dirname(place) if itself else place
    own = os.path.realpath(root)
    return f"{os.path.realpath(reached)}/".startswith(f"{own}/")


def act(root: str, what: str, path: str, other: str, number: int) -> None:
    """Do one thing, if it can be done in the tree: a link to /etc leads to the machine's own."""
    place, second = f"{root}/{path}", f"{root}/{other}"
    if not is_inside(root, place, itself=what not in FOLLOWING):
        return
    if what in ("link", "rename") and not is_inside(root, second, itself=True):
        return
    try:
        if what == "file":
            # A FIFO would be waited on.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
            with open(os.open(place, flags, 0o644), "wb") as file:
                file.write(b"x" * number)
        elif what == "folder":
            os.makedirs(place)
        elif what == "remove":
            if os.path.isdir(place) and not os.path.islink(place):
                shutil.rmtree(place)
            else:
                os.unlink(place)
        elif what == "replace" and os.path.isdir(place):
            # rmtree of a FIFO waits for a writer.
            shutil.rmtree(place)
            os.mkdir(place)
            act(root, "file", f"{path}/{other[:1]}", "", number)
        elif what == "mode":
            os.chmod(place, (0o755, 0o4711, 0o600, 0o1777)[number], follow_symlinks=True)
        elif what == "link":
            os.link(place, second, follow_symlinks=False)
        elif what == "symlink":
            os.symlink(("nowhere", "/etc", "a", "../..")[number], place)
        elif what == "rename":
            os.rename(place, second)
        elif what == "fifo":
            os.mkfifo(place, 0o640)
        elif what == "xattr":
            os.setxattr(place, "user.note", bytes((number, 0, 255)))
        elif what == "owner":
            os.chown(place, number, number, follow_symlinks=False)
    except OSError:
        return


def test_acts_stay_in_their_tree(tmp_path):
    outside, root = tmp_path / "etc", tmp_path / "root"
    outside.mkdir(0o755)
    (outside / "b").write_text("not ours")
    root.mkdir()
    (root / "a").symlink_to(outside)
    (root / "b").symlink_to("../etc/b")
    before = facts(str(outside))
    for what in KINDS:
        for path in ("a", "a/a", "a/b", "b"):
            if what not in ("remove", "rename") or "/" in path:
                act(str(root), what, path, "a/c", 2)
    assert facts(str(outside)) == before
    act(str(root), "remove", "a", "", 0)
    assert os.listdir(root) == ["b"]


def set_times(root: str, since: int = -1) -> None:
    """Whole seconds everywhere, or where something changed: a layer has no finer ones."""
    for folder, folders, files in os.walk(root, topdown=False):
        for name in folders + files:
            if os.lstat(f"{folder}/{name}").st_ctime_ns > since:
                os.utime(f"{folder}/{name}", (1_000_000_000,) * 2, follow_symlinks=False)


def facts(root: str) -> trees.Facts:
    return trees.facts(root)


def layer_of(changes, path: str) -> str:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_layer(changes, TarSink(fd))
    finally:
        os.close(fd)
    return path


@pytest.mark.parametrize("style", [WHITEOUT_OVERLAYFS, WHITEOUT_USERXATTR])
@given(before=ACTS, after=ACTS)
@example(before=[], after=[("replace", "a", "b", 1)])
@example(
    before=[], after=[("file", "c", "", 1), ("link", "c", "a/c", 0), ("link", "c", "a/a/c", 0)]
)
@example(
    before=[("folder", "ü/b/a", "", 0)],
    after=[("replace", "ü", "a", 0), ("folder", "ü/b/a", "", 0)],
)
@example(
    before=[("folder", "b2/b", "", 0)], after=[("replace", "b2", "b", 1), ("remove", "a", "", 0)]
)
@example(before=[], after=[("folder", "ü" * 100, "", 0), ("link", "a/a/a", "ü" * 100 + "/a", 0)])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_layer_turns_one_tree_into_the_other(style: str, before: list, after: list) -> None:
    top = tempfile.mkdtemp(prefix="plugrun-changes-")
    layer = LayerTree(f"{top}/upper", style, (f"{top}/lower",))
    try:
        for name in ("lower", "upper", "work", "merged", "copy", "second"):
            os.mkdir(f"{top}/{name}")
        for one in (*BEGIN, *before):
            act(f"{top}/lower", *one)
        set_times(f"{top}/lower")
        for name in ("copy", "second"):
            subprocess.run(["cp", "-a", f"{top}/lower/.", f"{top}/{name}"], check=True)

        def change() -> trees.Facts:
            options = f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work"
            if style == WHITEOUT_USERXATTR:
                options += ",userxattr"
            mount("overlay", f"{top}/merged", "overlay", 0, f"{options},index=off,metacopy=off")
            for one in after:
                act(f"{top}/merged", *one)
            set_times(f"{top}/merged")
            wanted = facts(f"{top}/merged")
            old, new = (os.open(f"{top}/{n}", os.O_RDONLY) for n in ("lower", "merged"))
            layer_of(tree_changes(old, new), f"{top}/compared.tar")
            told_of["trees"] = shown(tree_changes(old, new))
            os.close(old)
            os.close(new)
            umount(f"{top}/merged", MNT_DETACH)
            return wanted

        told_of: dict[str, list[tuple[str, bytes]]] = {}
        wanted, namespace = in_new_mounts(change)
        os.close(namespace)
        layer_of(layer_changes(layer), f"{top}/layer.tar")
        unpack_layer(f"{top}/layer.tar", f"{top}/copy", WHITEOUT_UNLINK)
        unpack_layer(f"{top}/compared.tar", f"{top}/second", WHITEOUT_UNLINK)
        assert facts(f"{top}/copy") == wanted
        assert facts(f"{top}/second") == wanted
        assert shown(layer_changes(layer)) == told_of["trees"]
    finally:
        shutil.rmtree(top)


@given(ACTS, ACTS)
@example([], [("replace", "a", "b", 1)])
@example([("folder", "b2/a", "", 0), ("file", "b2/a/a", "", 1)], EXCHANGE)
@example([], [("file", "c", "", 1), ("link", "c", "a/c", 0), ("rename", "a/a", "a/b/c", 0)])
@example([], [("rename", "a/a", "c", 0), ("replace", "a", "c", 1), ("rename", "c", "a/a", 0)])
@example([], [("rename", "a", "ü", 0)])  # a file in it has a name elsewhere
@example([("folder", "ü/a", "", 0), ("link", "b", "ü/a/a", 0)], [("rename", "a", "b2", 0)])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_layer_by_times_of_change(before: list, after: list) -> None:
    """All files have one size and one time: they differ in what cannot be seen without reading."""
    top = tempfile.mkdtemp(prefix="plugrun-changes-")
    try:
        for name in ("lower", "now", "copy"):
            os.mkdir(f"{top}/{name}")
        for one in (*BEGIN, *before):
            act(f"{top}/lower", *one)
        _make_alike(f"{top}/lower")
        old, new = (os.open(f"{top}/{n}", os.O_RDONLY) for n in ("lower", "now"))
        copy_fresh_tree(old, new)
        os.utime(f"{top}/now")
        since = os.stat(f"{top}/now").st_ctime_ns
        _wait_until_after(since)
        subprocess.run(["cp", "-a", f"{top}/lower/.", f"{top}/copy"], check=True)
        for one in after:
            act(f"{top}/now", *one)
        set_times(f"{top}/now", since)
        layer_of(tree_changes(old, new, since), f"{top}/layer.tar")
        os.close(old)
        os.close(new)
        unpack_layer(f"{top}/layer.tar", f"{top}/copy", WHITEOUT_UNLINK)
        assert facts(f"{top}/copy") == facts(f"{top}/now")
    finally:
        shutil.rmtree(top)


def _wait_until_after(moment: int) -> None:
    while time.clock_gettime_ns(_COARSE) <= moment:
        time.sleep(0.001)


def _make_alike(root: str) -> None:
    for folder, _, files in os.walk(root):
        for number, name in enumerate(sorted(files)):
            path = f"{folder}/{name}"
            if stat.S_ISREG(os.lstat(path).st_mode):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"{number:02}{hash(folder) % 10**9:09}")
    set_times(root)


@pytest.fixture
def pair(tmp_path):
    """A tree and its copy; what is given back goes on from there."""
    for name in ("one", "two"):
        for folder in ("", "sub", "other", "sub/deep"):
            (tmp_path / name / folder).mkdir(exist_ok=True)
            (tmp_path / name / folder / "file").write_text(f"{folder[:1] or '-'}")
    set_times(str(tmp_path / "one"))
    set_times(str(tmp_path / "two"))
    since = time.time_ns()
    _wait_until_after(since)
    return tmp_path / "one", tmp_path / "two", since


def _between(pair, *, all_files=False):
    before, now, since = pair
    fds = [os.open(path, os.O_RDONLY) for path in (before, now)]
    try:
        return [(c.kind, c.path) for c in told(tree_changes(*fds, since), all_files=all_files)]
    finally:
        for fd in fds:
            os.close(fd)


def test_what_is_older_than_the_snapshot_is_not_read(pair, monkeypatch):
    def fail(*_):
        raise AssertionError("read")

    monkeypatch.setattr("plugrun.layers.changes.attributes_of", fail)
    monkeypatch.setattr(treechanges, "_same_content", fail)
    assert _between(pair, all_files=True) == []


def test_a_change_that_left_size_and_time_is_in_the_layer(pair):
    (pair[1] / "sub" / "file").write_text("x")
    os.utime(pair[1] / "sub" / "file", (1_000_000_000,) * 2)
    assert _between(pair) == []  # nor does Docker tell of it
    assert _between(pair, all_files=True) == [("C", b"sub"), ("C", b"sub/file")]


@pytest.fixture
def linked(tmp_path):
    """The same of trees in which a file has three names."""
    for name in ("one", "two"):
        for folder in ("", "sub"):
            (tmp_path / name / folder).mkdir(exist_ok=True)
        (tmp_path / name / "a").write_text("x")
        os.link(tmp_path / name / "a", tmp_path / name / "sub/b")
        os.link(tmp_path / name / "a", tmp_path / name / "c")
    set_times(str(tmp_path / "one"))
    set_times(str(tmp_path / "two"))
    since = time.time_ns()
    _wait_until_after(since)
    return tmp_path / "one", tmp_path / "two", since


def test_who_loses_a_name_has_not_changed(linked):
    os.unlink(linked[1] / "a")
    assert _between(linked, all_files=True) == [("D", b"a")]


def test_who_loses_a_name_and_changes_is_told(linked):
    now = linked[1]
    os.unlink(now / "a")
    (now / "c").write_text("y")
    os.utime(now / "c", (1_000_000_000,) * 2)
    assert _between(linked, all_files=True) == [
        *(("D", b"a"), ("C", b"c"), ("C", b"sub"), ("C", b"sub/b"))
    ]


def test_a_name_for_names_keeps_them_one_file(linked):
    now = linked[1]
    os.unlink(now / "a")
    os.unlink(now / "c")
    os.link(now / "sub/b", now / "d")
    found = _between(linked, all_files=True)
    assert ("A", b"d") in found
    assert ("C", b"sub/b") in found


def test_folders_that_took_each_others_place(pair):
    now = pair[1]
    os.rename(now / "sub" / "deep", now / "deep")
    os.rename(now / "sub", now / "third")
    os.rename(now / "other", now / "sub")
    os.rename(now / "third", now / "other")
    # Their files are old, alike in size and time, and not what the image has there.
    told_of = _between(pair)
    assert ("C", b"sub/file") in told_of
    assert ("C", b"other/file") in told_of
    assert ("D", b"sub/deep") in told_of
    assert ("A", b"deep/file") in told_of


def test_a_folder_made_anew_hides_the_one_of_its_name(pair):
    before, now, since = pair
    shutil.rmtree(now / "sub")
    (now / "sub").mkdir()
    (now / "sub" / "new").touch()
    fds = [os.open(path, os.O_RDONLY) for path in (before, now)]
    found = {c.path: c for c in tree_changes(*fds, since)}
    for fd in fds:
        os.close(fd)
    assert found[b"sub"].hides
    assert found[b"sub/file"].implied
    assert found[b"sub/deep"].implied
    assert found[b"sub/new"].kind == "A"


def test_a_clock_that_was_set_back_makes_nothing_look_old(pair, monkeypatch):
    before, now, since = pair
    (now / "sub" / "file").write_text("x")
    os.utime(now / "sub" / "file", (1_000_000_000,) * 2)
    later = since + 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later - 1)
    assert ("C", b"sub/file") in _between((before, now, later))
    # The clock has caught up, and only time and size tell.
    monkeypatch.setattr(time, "time_ns", lambda: later + 1)
    (now / "other" / "file").write_text("xyz")
    assert _between((before, now, later)) == [("C", b"other"), ("C", b"other/file")]


def shown(changes) -> list[tuple[str, bytes]]:
    return [(c.kind, c.path) for c in told(changes, all_files=False)]
