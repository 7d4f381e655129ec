"""Copies of trees: everything that files have, resumed where one was killed."""

from __future__ import annotations

import os
import stat

import pytest
from plugrun.engine.volumes.folders import tree_size
from plugrun.layers.removal import remove_tree
from plugrun.layers.treecopy import copy_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OLD = 1_000_000_000 * 10**9


@pytest.fixture
def source(tmp_path):
    top = tmp_path / "source"
    (top / "sub" / "deep").mkdir(parents=True)
    (top / "file").write_bytes(b"content" * 100_000)
    (top / "empty").touch()
    os.link(top / "file", top / "sub" / "other")
    os.symlink("/etc/shadow", top / "link")
    os.mkfifo(top / "fifo")
    os.mknod(top / "null", stat.S_IFCHR | 0o622, os.makedev(1, 3))
    os.setxattr(top / "file", "user.kind", b"wild")
    os.setxattr(top / "sub", "user.kind", b"folder")
    os.setxattr(top / "link", "trusted.kind", b"link", follow_symlinks=False)
    owners = ("file", "sub", "sub/deep", "link", "fifo", "null", "")
    for number, name in enumerate(owners):
        os.chown(top / name, 1000 + number, 2000 + number, follow_symlinks=False)
    os.chmod(top / "file", 0o4751)
    os.chmod(top / "fifo", 0o2606)
    os.chmod(top / "sub", 0o1703)
    for name in ("file", "empty", "sub/deep", "sub", "link", "fifo", "null", ""):
        os.utime(top / name, ns=(OLD, OLD + 5), follow_symlinks=False)
    return top


def copy(source, target):
    target.mkdir(exist_ok=True)
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    try:
        copy_tree(*fds)
    finally:
        for fd in fds:
            os.close(fd)


def look(top):
    found = {}
    for path in (top, *sorted(top.rglob("*"))):
        state = path.lstat()
        kept = (state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, state.st_rdev)
        names = os.listxattr(path, follow_symlinks=False)
        xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        content = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        links = state.st_nlink if not path.is_dir() else 0
        found[str(path.relative_to(top))] = (kept, xattrs, content, links)
    return found


def test_everything_is_kept(source, tmp_path):
    copy(source, tmp_path / "target")
    assert look(tmp_path / "target") == look(source)


def test_what_is_missing_is_added_and_what_is_there_stays(source, tmp_path):
    target = tmp_path / "target"
    copy(source, target)
    (target / "empty").write_text("mine")
    (target / "file").unlink()
    (target / "sub" / "other").unlink()
    (target / "sub" / "deep").rmdir()
    (target / "sub" / "deep").write_text("a file now")
    (target / ".plugrun-copy").write_text("half")
    copy(source, target)
    assert (target / "empty").read_text() == "mine"
    assert (target / "sub" / "deep").read_text() == "a file now"
    assert (target / "file").read_bytes() == (source / "file").read_bytes()
    assert (target / "file").stat().st_ino == (target / "sub" / "other").stat().st_ino
    assert not (target / ".plugrun-copy").exists()


def test_it_does_not_leave_the_target(source, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "sub").symlink_to(outside)
    (target / ".plugrun-copy").symlink_to(outside / "made")
    (target / "file").symlink_to(outside / "made")
    copy(source, target)
    assert list(outside.iterdir()) == []
    assert (target / "sub").is_symlink()
    assert (target / "file").is_symlink()


def deep(top, levels):
    """Make folders in folders by descriptors; the path is longer than a path may be."""
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open("last", "w", opener=lambda name, flags: os.open(name, flags, dir_fd=fd)) as file:
        file.write("here")
    os.close(fd)


def remove(path):
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    remove_tree(os.fsencode(path.name), above)
    os.close(above)


def test_a_tree_is_as_deep_as_a_container_makes_it(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    deep(source, 1500)
    try:
        copy(source, target)
        assert tree_size(str(target)) == len("here")
        assert tree_size(str(target / "gone")) == 0
    finally:
        remove(source)
        remove(target)
