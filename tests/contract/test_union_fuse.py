"""The union that plugrun serves through FUSE, by its effects: on what is seen, and on the layers.

Where a kernel's newer features are done without, as on an older one, the same must hold.
"""

# ruff: noqa: SIM115  (what is opened to fail, or many at once)

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time

import pytest
from plugrun_storage_fuse.server import argv, wire
from plugrun_storage_fuse.server.standalone import mount

OLD = wire.PASSTHROUGH | wire.SETXATTR_EXT | wire.HANDLE_KILLPRIV_V2 | wire.INIT_EXT
OLD |= wire.NO_OPENDIR_SUPPORT | wire.CACHE_SYMLINKS | wire.DO_READDIRPLUS | wire.READDIRPLUS_AUTO
LIBC = ctypes.CDLL(None, use_errno=True)
WHITEOUT = "trusted.overlay.opaque"
NOBODY = 65534


class Union:
    """Layers in folders, and the union of them at ``at``."""

    def __init__(self, base, without=0):
        self.base = str(base)
        self.without = without
        for name in ("low", "mid", "up", "work", "at"):
            os.mkdir(f"{self.base}/{name}")
        os.chmod(self.base, 0o755)
        self.low, self.mid, self.up, self.at = (
            f"{self.base}/{name}" for name in ("low", "mid", "up", "at")
        )
        self.server = 0

    def mount(self, upper=True):
        work = f"{self.base}/work" if upper else ""
        lower = [self.mid, self.low]
        self.server = mount(lower, self.up if upper else "", work, self.at, self.without)
        os.stat(self.at)  # waits until the server answers
        return self

    def unmount(self):
        if self.server:
            assert LIBC.umount2(os.fsencode(self.at), 2) == 0
            ended(self.server)
            self.server = 0

    def remount(self):
        self.unmount()
        return self.mount()

    def __truediv__(self, name):
        return f"{self.at}/{name}"


@pytest.fixture(params=[0, OLD], ids=["newest", "old"])
def union(request):
    with tempfile.TemporaryDirectory() as base:  # other users get into it
        made = Union(base, request.param)
        yield made
        made.unmount()


def ended(server):
    """Wait for a server that has lost its mount; a file still open would keep that alive."""
    pidfd = os.pidfd_open(server)
    try:
        if not select.select([pidfd], [], [], 20)[0]:
            os.kill(server, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(server, 0)[1]) == 0
    finally:
        os.close(pidfd)


def write(path, data=b"data", mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def is_whiteout(path):
    state = os.lstat(path)
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def rename2(old, new, flags):
    if LIBC.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


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


def test_copy_file_range_between_layers(union):
    write(f"{union.low}/f", b"0123456789")
    union.mount()
    with open(union / "f", "rb") as source, open(union / "g", "wb") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), 100, 2) == 8
    assert read(f"{union.up}/g") == b"23456789"


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


def test_more_files_than_descriptors(union):
    """Files that the kernel reads by itself, and those that nobody has read yet, need none."""
    for number in range(300):
        write(f"{union.low}/d/{number}", b"%d" % number)
    union.mount()
    before = len(os.listdir(f"/proc/{union.server}/fd"))
    files = [open(union / f"d/{number}", "rb") for number in range(300)]
    try:
        assert len(os.listdir(f"/proc/{union.server}/fd")) < before + 10
        assert [file.read() for file in files] == [b"%d" % number for number in range(300)]
    finally:
        for file in files:
            file.close()


def test_what_a_killed_server_left_is_deleted(union):
    os.mkdir(f"{union.base}/work/work")
    write(f"{union.base}/work/work/#1/deep/er")
    os.mknod(f"{union.base}/work/work/#2", stat.S_IFCHR, 0)
    union.mount()
    assert os.listdir(f"{union.base}/work/work") == []


def test_a_killed_server_gives_errors_and_no_hang(union):
    write(f"{union.low}/f")
    union.mount()
    file = os.open(union / "f", os.O_RDONLY)
    os.kill(union.server, signal.SIGTERM)
    os.waitpid(union.server, 0)
    union.server = 0
    try:
        with pytest.raises(OSError) as caught:
            os.stat(union / "other")
        assert caught.value.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    finally:
        assert LIBC.umount2(os.fsencode(union.at), 2) == 0
    with pytest.raises(OSError, match="not connected"):
        os.close(file)


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


def test_the_server_ends_with_the_mount(union):
    union.mount()
    pid = union.server
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    begun = time.monotonic()
    union.unmount()
    assert time.monotonic() - begun < 5
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_command_line_is_all_it_needs(union):
    words = argv([union.low], union.up, f"{union.base}/work")
    child = subprocess.run([*words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert child.returncode  # /dev/null is no connection, and it says so
    assert child.stderr
