"""A file of a lower layer that is changed: all of it stays, for whoever has it open, too."""

# ruff: noqa: SIM115  (what is opened to fail, or many at once)

from __future__ import annotations

import errno
import mmap
import os
import stat

import pytest

from tests.contract.union_fuse.union import LIBC, Union, read, write


def test_copy_up_keeps_all_that_a_file_has(union):
    path = f"{union.low}/d/f"
    write(path, b"x" * 9000)
    os.chown(path, 12, 34)
    os.chmod(path, 0o6755)
    os.setxattr(path, "user.binary", b"\0\xff\n")
    os.setxattr(path, "trusted.mine", b"")
    os.utime(path, ns=(1_111_111_111_123_456_789, 1_222_222_222_987_654_321))
    os.chown(f"{union.low}/d", 56, 78)
    os.chmod(f"{union.low}/d", 0o1751)
    os.utime(f"{union.low}/d", ns=(1, 2))
    union.mount()
    before = os.stat(union / "d/f")
    os.setxattr(union / "d/f", "user.more", b"1")
    after, below = os.stat(union / "d/f"), os.stat(f"{union.up}/d/f")
    for seen in (after, below):
        for field in ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_atime_ns"):
            assert getattr(seen, field) == getattr(before, field), field
    assert after.st_ino == before.st_ino
    assert os.getxattr(f"{union.up}/d/f", "user.binary") == b"\0\xff\n"
    assert sorted(os.listxattr(union / "d/f")) == ["trusted.mine", "user.binary", "user.more"]
    folder = os.stat(f"{union.up}/d")
    assert (folder.st_uid, folder.st_gid, folder.st_mode) == (56, 78, stat.S_IFDIR | 0o1751)
    assert folder.st_mtime_ns == 2
    assert read(path) == b"x" * 9000
    assert os.listdir(f"{union.base}/work/work") == []


def test_holes_are_kept_by_copy_up(union):
    path = f"{union.low}/sparse"
    write(path, b"start")
    with open(path, "r+b") as file:
        file.seek(40 << 20)
        file.write(b"middle")
        file.truncate(90 << 20)
    union.mount()
    with open(union / "sparse", "r+b") as file:
        file.seek(3)
        file.write(b"!")
        assert file.seek(1 << 20, os.SEEK_DATA) == 40 << 20
    assert os.stat(f"{union.up}/sparse").st_blocks < 200
    assert read(union / "sparse").rstrip(b"\0")[-6:] == b"middle"
    assert os.stat(union / "sparse").st_size == 90 << 20


def test_hard_links_stay_together(union):
    write(f"{union.low}/a", b"one")
    os.mkdir(f"{union.low}/d")
    for name in ("d/b", "d/c", "hidden"):
        os.link(f"{union.low}/a", f"{union.low}/{name}")
    os.mknod(f"{union.mid}/hidden", stat.S_IFCHR, 0)
    union.mount()
    assert os.stat(union / "a").st_nlink == 3
    with open(union / "d/b", "ab") as file:
        file.write(b" two")
    assert read(union / "a") == read(union / "d/c") == b"one two"
    inodes = {os.stat(union / name).st_ino for name in ("a", "d/b", "d/c")}
    assert len(inodes) == 1
    union.remount()
    assert {os.stat(union / name).st_ino for name in ("a", "d/b", "d/c")} == inodes
    assert os.stat(f"{union.up}/a").st_nlink == 3
    assert not os.path.exists(f"{union.up}/hidden")


def test_inode_numbers_stay_over_copy_up_rename_and_remount(union):
    write(f"{union.low}/d/f")
    union.mount()
    file, folder = os.stat(union / "d/f").st_ino, os.stat(union / "d").st_ino
    os.chmod(union / "d/f", 0o600)
    os.mkdir(union / "new")
    os.rename(union / "d/f", union / "new/g")
    assert os.stat(union / "new/g").st_ino == file
    union.remount()
    assert os.stat(union / "new/g").st_ino == file
    assert os.stat(union / "d").st_ino == folder
    assert [one.inode() for one in os.scandir(union / "new")] == [file]


def test_a_reader_sees_what_is_written_after_copy_up(union):
    write(f"{union.low}/f", b"old old")
    union.mount()
    with open(union / "f", "rb") as reader:
        mapped = mmap.mmap(reader.fileno(), 0, prot=mmap.PROT_READ)
        assert mapped[:3] == b"old"
        with open(union / "f", "r+b") as writer:
            writer.write(b"new")
            writer.flush()
            assert os.pread(reader.fileno(), 9, 0) == b"new old"
            assert mapped[:7] == b"new old"
        mapped.close()
    assert read(f"{union.low}/f") == b"old old"


def test_shared_mappings_reach_the_file(union):
    write(f"{union.low}/f", b"a" * 8192)
    union.mount()
    with open(union / "f", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[4096:4099] = b"new"
        mapped.flush()
    assert read(f"{union.up}/f")[4095:4100] == b"anewa"


def test_copy_file_range_between_layers(union):
    write(f"{union.low}/f", b"0123456789")
    union.mount()
    with open(union / "f", "rb") as source, open(union / "g", "wb") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 100, 2) == 8
    assert read(f"{union.up}/g") == b"23456789"


def test_a_full_disk_loses_nothing(tmp_path):
    """A copy-up that does not fit fails with ENOSPC and leaves no trace."""
    disk = f"{tmp_path}/disk"
    os.mkdir(disk)
    assert LIBC.mount(b"none", os.fsencode(disk), b"tmpfs", 0, b"size=4m") == 0
    made = None
    try:
        made = Union(disk)
        write(f"{made.low}/d/big", os.urandom(3 << 20))
        os.link(f"{made.low}/d/big", f"{made.low}/other")
        made.mount()
        content = read(made / "d/big")
        with pytest.raises(OSError) as caught:
            open(made / "d/big", "ab")
        assert caught.value.errno == errno.ENOSPC
        assert read(made / "d/big") == read(made / "other") == content
        assert os.listdir(f"{made.base}/work/work") == []
        assert not os.path.exists(f"{made.up}/d/big")
        with open(made / "d/big", "wb") as file:  # what is not needed is not copied
            file.write(b"small")
        assert read(made / "other") == b"small"
    finally:
        if made:
            made.unmount()
        LIBC.umount2(os.fsencode(disk), 2)
