"""What a layer's tar says: applied over the tree it was made against, it gives the other tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from plugrun.interfaces.storage import WHITEOUT_UNLINK
from plugrun.layers.changes import told
from plugrun.layers.layerchanges import layer_changes
from plugrun.layers.layertar import write_layer
from plugrun.layers.tarsink import TarSink
from plugrun.layers.treechanges import tree_changes
from plugrun.layers.unpack import unpack_layer
from plugrun.linux.mounting import MNT_DETACH, mount, umount
from plugrun.linux.othermounts import in_new_mounts
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


def act(root: str, what: str, path: str, other: str, number: int) -> None:
    """Do one thing to a tree, if it can be done."""
    place, second = f"{root}/{path}", f"{root}/{other}"
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


def set_times(root: str) -> None:
    """Whole seconds everywhere: a layer has no finer ones."""
    for folder, folders, files in os.walk(root, topdown=False):
        for name in folders + files:
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


@given(ACTS, ACTS)
@example([], [("replace", "a", "b", 1)])
@example([], [("file", "c", "", 1), ("link", "c", "a/c", 0), ("link", "c", "a/a/c", 0)])
@example([("folder", "ü/b/a", "", 0)], [("replace", "ü", "a", 0), ("folder", "ü/b/a", "", 0)])
@example([("folder", "b2/b", "", 0)], [("replace", "b2", "b", 1), ("remove", "a", "", 0)])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_layer_turns_one_tree_into_the_other(before: list, after: list) -> None:
    top = tempfile.mkdtemp(prefix="plugrun-changes-")
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
        layer_of(layer_changes(f"{top}/upper", [f"{top}/lower"]), f"{top}/layer.tar")
        unpack_layer(f"{top}/layer.tar", f"{top}/copy", WHITEOUT_UNLINK)
        unpack_layer(f"{top}/compared.tar", f"{top}/second", WHITEOUT_UNLINK)
        assert facts(f"{top}/copy") == wanted
        assert facts(f"{top}/second") == wanted
        assert shown(layer_changes(f"{top}/upper", [f"{top}/lower"])) == told_of["trees"]
    finally:
        shutil.rmtree(top)


def shown(changes) -> list[tuple[str, bytes]]:
    return [(c.kind, c.path) for c in told(changes, all_files=False)]
