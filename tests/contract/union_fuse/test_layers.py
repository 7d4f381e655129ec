"""What is seen of layers, and what is noted in the upper one."""

# ruff: noqa: SIM115  (what is opened to fail, or many at once)

from __future__ import annotations

import errno
import os
import stat
import subprocess

import pytest
from plugrun_storage_fuse.server.standalone import mount

from tests.contract.union_fuse.union import (
    LIBC,
    WHITEOUT,
    Union,
    ended,
    is_whiteout,
    read,
    rename2,
    write,
)


def test_layers_are_merged_and_the_nearest_wins(union):
    write(f"{union.low}/d/a", b"low")
    write(f"{union.low}/d/b", b"low")
    write(f"{union.mid}/d/b", b"mid")
    write(f"{union.up}/d/c", b"up")
    union.mount()
    assert sorted(os.listdir(union / "d")) == ["a", "b", "c"]
    assert [read(union / f"d/{name}") for name in "abc"] == [b"low", b"mid", b"up"]


def test_whiteouts_of_both_kinds_and_opaque_folders_hide(union):
    for name in ("d/a", "d/b", "o/below"):
        write(f"{union.low}/{name}")
    os.makedirs(f"{union.mid}/d")
    os.mknod(f"{union.mid}/d/a", stat.S_IFCHR, 0)
    write(f"{union.mid}/d/b", b"")
    os.setxattr(f"{union.mid}/d/b", "trusted.overlay.whiteout", b"y")
    os.setxattr(f"{union.mid}/d", WHITEOUT, b"x")
    os.makedirs(f"{union.mid}/o")
    os.setxattr(f"{union.mid}/o", WHITEOUT, b"y")
    union.mount()
    assert os.listdir(union / "d") == []
    assert os.listdir(union / "o") == []
    for name in ("d/a", "d/b", "o/below"):
        with pytest.raises(FileNotFoundError):
            os.stat(union / name)


def test_deleting_leaves_the_layer_beneath_alone(union):
    write(f"{union.low}/d/f")
    union.mount()
    os.unlink(union / "d/f")
    assert os.listdir(union / "d") == []
    os.rmdir(union / "d")
    assert is_whiteout(f"{union.up}/d")
    assert read(f"{union.low}/d/f") == b"data"
    os.mkdir(union / "d")
    assert os.listdir(union / "d") == []
    assert os.getxattr(f"{union.up}/d", WHITEOUT) == b"y"
    union.remount()
    assert os.listdir(union / "d") == []


def test_a_file_is_made_where_one_was_deleted(union):
    write(f"{union.low}/f", b"old", 0o600)
    union.mount()
    os.unlink(union / "f")
    write(union / "f", b"new")
    assert read(union / "f") == read(f"{union.up}/f") == b"new"
    os.unlink(union / "f")
    os.symlink("elsewhere", union / "f")
    assert os.readlink(union / "f") == "elsewhere"
    assert os.listdir(f"{union.base}/work/work") == []


def test_a_folder_is_renamed_with_all_it_shows(union):
    write(f"{union.low}/d/sub/low")
    write(f"{union.low}/d/gone")
    write(f"{union.mid}/d/sub/mid")
    write(f"{union.low}/e/covered")
    union.mount()
    os.unlink(union / "d/gone")
    os.unlink(union / "e/covered")
    os.rename(union / "d", union / "e")
    for _ in range(2):
        assert os.listdir(union.at) == ["e"]
        assert sorted(os.listdir(union / "e/sub")) == ["low", "mid"]
        assert os.listdir(union / "e") == ["sub"]
        union.remount()
    assert is_whiteout(f"{union.up}/d")


def test_exchange_and_noreplace(union):
    write(f"{union.low}/f", b"file")
    write(f"{union.low}/d/inside")
    union.mount()
    with pytest.raises(FileExistsError):
        rename2(union / "f", union / "d", 1)
    rename2(union / "f", union / "d", 2)
    assert read(union / "d") == b"file"
    assert os.listdir(union / "f") == ["inside"]
    union.remount()
    assert os.listdir(union / "f") == ["inside"]
    with pytest.raises(OSError, match="renameat2") as caught:
        rename2(union / "d", union / "g", 4)
    assert caught.value.errno == errno.EINVAL


def test_the_unions_own_marks_are_out_of_reach(union):
    write(f"{union.low}/d/f")
    union.mount()
    os.chmod(union / "d/f", 0o600)
    os.mkdir(union / "made")
    assert os.listxattr(union / "d/f") == os.listxattr(union / "d") == []
    for act in (
        lambda: os.getxattr(union / "d/f", "trusted.overlay.plugrun.ino"),
        lambda: os.setxattr(union / "d", WHITEOUT, b"y"),
        lambda: os.removexattr(union / "d", "trusted.overlay.impure"),
    ):
        with pytest.raises(OSError) as caught:
            act()
        assert caught.value.errno == errno.EOPNOTSUPP
    with pytest.raises(PermissionError):
        os.mknod(union / "w", stat.S_IFCHR | 0o600, 0)


def test_links_in_a_layer_lead_nowhere_out_of_it(union, tmp_path):
    write(f"{tmp_path}/outside/secret")
    os.symlink(f"{tmp_path}/outside", f"{union.mid}/d")
    write(f"{union.low}/d/inside")
    union.mount()
    assert os.readlink(union / "d") == f"{tmp_path}/outside"
    os.unlink(union / "d")
    os.mkdir(union / "d")
    write(union / "d/new")
    assert os.listdir(union / "d") == ["new"]
    assert os.listdir(f"{tmp_path}/outside") == ["secret"]


def test_without_an_upper_layer_nothing_can_be_changed(union):
    write(f"{union.low}/d/f")
    union.mount(upper=False)
    assert read(union / "d/f") == b"data"
    for act in (
        lambda: open(union / "d/f", "ab"),
        lambda: os.mkdir(union / "new"),
        lambda: os.unlink(union / "d/f"),
        lambda: os.chmod(union / "d", 0o700),
        lambda: os.rename(union / "d", union / "e"),
    ):
        with pytest.raises(OSError) as caught:
            act()
        assert caught.value.errno == errno.EROFS


def test_five_hundred_layers(tmp_path):
    lower = []
    for number in range(500):
        write(f"{tmp_path}/{number}/d/f{number}", b"%d" % number)
        lower.append(f"{tmp_path}/{number}")
    for name in ("up", "work", "at"):
        os.mkdir(f"{tmp_path}/{name}")
    server = mount(lower, f"{tmp_path}/up", f"{tmp_path}/work", f"{tmp_path}/at")
    try:
        assert len(os.listdir(f"{tmp_path}/at/d")) == 500
        assert read(f"{tmp_path}/at/d/f499") == b"499"
        write(f"{tmp_path}/at/d/f250", b"new")
        assert read(f"{tmp_path}/up/d/f250") == b"new"
    finally:
        LIBC.umount2(os.fsencode(f"{tmp_path}/at"), 2)
        ended(server)


def test_the_kernels_overlayfs_sees_the_same_in_the_upper_layer(tmp_path):
    made = Union(tmp_path)
    for name in ("keep/a", "keep/b", "gone/x", "moved/y/z", "file"):
        write(f"{made.low}/{name}", name.encode())
    made.mount()
    os.unlink(made / "keep/a")
    subprocess.run(["rm", "-rf", made / "gone"], check=True)
    os.mkdir(made / "gone")
    os.rename(made / "moved", made / "renamed")
    write(made / "file", b"changed")
    wanted = _tree(made.at)
    made.unmount()
    options = f"lowerdir={made.mid}:{made.low},upperdir={made.up},workdir={made.base}/work"
    data = f"{options},index=off,metacopy=off,redirect_dir=off".encode()
    assert LIBC.mount(b"overlay", os.fsencode(made.at), b"overlay", 0, data) == 0
    try:
        assert _tree(made.at) == wanted
    finally:
        LIBC.umount2(os.fsencode(made.at), 2)


def _tree(top):
    found = {}
    for folder, _, files in os.walk(top):
        found[os.path.relpath(folder, top)] = None
        for name in files:
            found[os.path.relpath(f"{folder}/{name}", top)] = read(f"{folder}/{name}")
    return found
