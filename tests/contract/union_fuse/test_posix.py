"""Files and folders of a union, as POSIX and the man pages have them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import subprocess
import sys

import pytest

from tests.contract.union_fuse.union import LIBC, NOBODY, read, write


def test_a_deleted_file_lives_while_it_is_open(union):
    write(f"{union.low}/low", b"below")
    union.mount()
    write(union / "up", b"above")
    for name, text in (("low", b"below"), ("up", b"above")):
        fd = os.open(union / name, os.O_RDONLY)
        os.unlink(union / name)
        assert os.fstat(fd).st_nlink == 0
        os.fchmod(fd, 0o611)
        os.fchown(fd, 3, 4)
        os.utime(fd, ns=(5, 6))
        state = os.fstat(fd)
        assert (state.st_mode & 0o777, state.st_uid, state.st_mtime_ns) == (0o611, 3, 6)
        assert os.read(fd, 100) == text
        os.close(fd)


def test_append_truncate_and_exclusive(union):
    write(f"{union.low}/f", b"12345")
    union.mount()
    with open(union / "f", "ab") as one, open(union / "f", "ab") as other:
        for file, text in ((one, b"6"), (other, b"7"), (one, b"8")):
            file.write(text)
            file.flush()
    assert read(union / "f") == b"12345678"
    os.truncate(union / "f", 3)
    assert read(union / "f") == b"123"
    os.close(os.open(union / "f", os.O_WRONLY | os.O_TRUNC))
    assert os.stat(f"{union.up}/f").st_size == 0
    with pytest.raises(FileExistsError):
        os.open(union / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY)


def test_fallocate_punches_holes(union):
    write(f"{union.low}/f", b"x" * (1 << 20))
    union.mount()
    fd = os.open(union / "f", os.O_RDWR)
    assert LIBC.fallocate(fd, 3, ctypes.c_long(4096), ctypes.c_long(1 << 18)) == 0
    assert LIBC.fallocate(fd, 0, ctypes.c_long(1 << 20), ctypes.c_long(100)) == 0
    assert os.fstat(fd).st_size == (1 << 20) + 100
    assert os.pread(fd, 10, 4090) == b"x" * 6 + bytes(4)
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 4096
    os.close(fd)


def test_locks_keep_others_out(union):
    write(f"{union.low}/f")
    union.mount()
    with open(union / "f", "r+b") as one, open(union / "f", "r+b") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        code = f"import fcntl;fcntl.lockf(open({union / 'f'!r},'r+b'),fcntl.LOCK_EX|fcntl.LOCK_NB)"
        fcntl.lockf(one, fcntl.LOCK_EX)
        child = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, check=False)
        assert b"BlockingIOError" in child.stderr


def test_setuid_goes_when_another_user_writes(union):
    for name in ("low", "up"):
        write(f"{getattr(union, name)}/{name}", mode=0o6777)
    union.mount()
    for name in ("low", "up"):
        child = os.fork()
        if not child:
            os.setuid(NOBODY)
            with open(union / name, "r+b") as file:
                file.write(b"x")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert stat.S_IMODE(os.stat(union / name).st_mode) == 0o777
        assert stat.S_IMODE(os.stat(f"{union.up}/{name}").st_mode) == 0o777


def test_setuid_stays_when_root_gives_a_file_more_room(union):
    write(f"{union.low}/low", mode=0o6777)
    union.mount()
    with open(union / "low", "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 70000)
    assert stat.S_IMODE(os.stat(union / "low").st_mode) == 0o6777


def test_new_files_belong_to_who_makes_them_and_setgid_folders_hand_on_their_group(union):
    os.mkdir(f"{union.low}/d")
    os.chown(f"{union.low}/d", 0, 777)
    os.chmod(f"{union.low}/d", 0o2777)
    union.mount()
    child = os.fork()
    if not child:
        os.umask(0o027)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.close(os.open(union / "d/f", os.O_CREAT | os.O_WRONLY, 0o666))
        os.mkdir(union / "d/e")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    file, folder = os.stat(union / "d/f"), os.stat(union / "d/e")
    assert (file.st_uid, file.st_gid, file.st_mode & 0o7777) == (NOBODY, 777, 0o640)
    assert (folder.st_uid, folder.st_gid, folder.st_mode & 0o7777) == (NOBODY, 777, 0o2750)


def test_permissions_are_the_files_own(union):
    write(f"{union.low}/secret", mode=0o600)
    union.mount()
    child = os.fork()
    if not child:
        os.setuid(NOBODY)
        try:
            os.open(union / "secret", os.O_RDONLY)
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_default_acls_are_inherited(union):
    undefined = (0xFFFFFFFF).to_bytes(4, "little")
    entries = [(1, 7, undefined), (2, 5, (1000).to_bytes(4, "little")), (4, 5, undefined)]
    entries += [(16, 5, undefined), (32, 0, undefined)]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + who for tag, perm, who in entries
    )
    os.mkdir(f"{union.low}/d")
    os.setxattr(f"{union.low}/d", "system.posix_acl_default", acl)
    union.mount()
    write(union / "d/deleted")
    os.unlink(union / "d/deleted")
    was = os.umask(0o077)
    try:
        os.close(os.open(union / "d/f", os.O_CREAT | os.O_WRONLY, 0o666))
        os.mkdir(union / "d/e")
    finally:
        os.umask(was)
    assert os.stat(union / "d/f").st_mode & 0o777 == 0o640
    assert "system.posix_acl_access" in os.listxattr(union / "d/f")
    assert os.getxattr(union / "d/e", "system.posix_acl_default") == acl


def test_special_files(union):
    os.mknod(f"{union.low}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mkfifo(f"{union.low}/fifo")
    union.mount()
    os.chmod(union / "null", 0o600)
    os.chown(union / "fifo", 5, 6)
    os.mknod(union / "big", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
    assert os.stat(f"{union.up}/null").st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO(os.stat(f"{union.up}/fifo").st_mode)
    assert os.stat(union / "big").st_rdev == os.makedev(259, 70000)
    assert os.stat(f"{union.up}/big").st_rdev == os.makedev(259, 70000)


def test_a_folder_is_read_whole_while_entries_go(union):
    names = {f"{n:04}-{'x' * 200}" for n in range(600)}
    for name in names:
        write(f"{union.low}/d/{name}", b"")
    union.mount()
    seen = set()
    with os.scandir(union / "d") as entries:
        for entry in entries:
            assert entry.name not in seen
            seen.add(entry.name)
            os.unlink(entry)
    assert seen == names
    assert os.listdir(union / "d") == []


def test_names_of_any_bytes_and_any_length(union):
    names = [b"\xff\xfe\n", "\u00e4\u4e2d".encode(), b"n" * 255]
    for name in names:
        write(os.fsencode(union.low) + b"/d/" + name, name)
    union.mount()
    at = os.fsencode(union / "d")
    assert sorted(os.listdir(at)) == sorted(names)
    for name in names:
        assert read(at + b"/" + name) == name
        os.rename(at + b"/" + name, at + b"/" + name[:-1] + b"~")
    with pytest.raises(OSError) as caught:
        os.stat(at + b"/" + b"n" * 256)
    assert caught.value.errno == errno.ENAMETOOLONG
    target = b"t" * 4095
    os.symlink(target, at + b"/link")
    assert os.readlink(at + b"/link") == target


def test_folders_deeper_than_a_path_can_say(union):
    union.mount()
    top = os.open(union.at, os.O_RDONLY)
    fd = os.dup(top)
    for _ in range(60):
        os.mkdir("d" * 200, dir_fd=fd)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    assert os.listdir(fd) == ["bottom"]
    os.close(fd)
    os.close(top)
    subprocess.run(["rm", "-rf", union / ("d" * 200)], check=True)
    assert os.listdir(union.up) == []


def test_statfs_is_that_of_the_upper_layer(union):
    union.mount()
    assert os.statvfs(union.at).f_blocks == os.statvfs(union.up).f_blocks
    assert os.statvfs(union.at).f_namemax == 255


def test_a_file_without_a_name_can_get_one(union):
    union.mount()
    try:
        fd = os.open(union.at, os.O_TMPFILE | os.O_RDWR, 0o640)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP  # before Linux 6.2
        return
    os.write(fd, b"late")
    proc, named = f"/proc/self/fd/{fd}".encode(), os.fsencode(union / "named")
    linked = LIBC.linkat(-100, proc, -100, named, 0x400)
    os.close(fd)
    assert linked == 0
    assert read(union / "named") == b"late"
