"""What an entry carries arrives: numbers and names of every format, modes, times, attributes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import subprocess
import sys

import pytest
from plugrun.interfaces.storage import WHITEOUT_OVERLAYFS, WHITEOUT_UNLINK
from plugrun.layers.unpack import Unpacked, unpack_layer

from tests.unit.layers.made import END, MTIME, Made, header, look, padded, pax, record, tar_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# Version, then (tag, permissions, id) each: user::rwx, user 7 rwx, group::r-x, mask, other::r-x.
ACL = struct.pack(
    "<I" + "HHI" * 5, 2,
    1, 7, 0xFFFFFFFF, 2, 7, 7, 4, 5, 0xFFFFFFFF, 16, 7, 0xFFFFFFFF, 32, 5, 0xFFFFFFFF,
)  # fmt: skip
LONG = b"d/" * 50 + b"a" * 99
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


@pytest.fixture
def unpack(tmp_path):
    """Unpack bytes into ``root``; return what was told of it."""

    def go(data: bytes, style: str = WHITEOUT_OVERLAYFS) -> Unpacked:
        (tmp_path / "blob").write_bytes(data)
        (tmp_path / "root").mkdir(exist_ok=True)
        os.chmod(tmp_path / "root", 0o755)
        return unpack_layer(str(tmp_path / "blob"), str(tmp_path / "root"), style)

    return go


def can_have_acls(path) -> bool:
    try:
        os.setxattr(path, "system.posix_acl_default", ACL)
    except OSError as error:
        assert error.errno == errno.ENOTSUP
        return False
    os.removexattr(path, "system.posix_acl_default")
    return True


def test_setuid_owner_and_capability_survive_each_other(unpack, tmp_path):
    record = pax(
        SCHILY__xattr__security__capability=CAPABILITY, SCHILY__xattr__user__note=b"\0\xff"
    )
    unpack(record + header(b"f", size=3, mode=b"0006755\0", uid=b"0000007\0") + padded(b"abc"))
    state = os.stat(tmp_path / "root/f")
    assert (stat.S_IMODE(state.st_mode), state.st_uid, state.st_size) == (0o6755, 7, 3)
    assert os.getxattr(tmp_path / "root/f", "security.capability") == CAPABILITY
    assert os.getxattr(tmp_path / "root/f", "user.note") == b"\0\xff"


def test_modes_do_not_depend_on_the_umask_or_the_group(unpack, tmp_path):
    made = [Made(f"d{mode:o}/f", mode=mode) for mode in (0o777, 0o666, 0o7777, 0, 0o222)]
    folders = [Made(f"e{mode:o}", "folder", mode=mode) for mode in (0o777, 0o7777, 0, 0o1777)]
    umask = os.umask(0o077)
    os.setegid(12)
    try:
        unpack(tar_of([*made, *folders, Made("s", "symlink", "x"), Made("p", "fifo", mode=0o666)]))
    finally:
        os.setegid(0)
        assert os.umask(umask) == 0o077
    found = look(str(tmp_path / "root"))
    for mode in (0o777, 0o666, 0o7777, 0, 0o222):
        assert found[f"d{mode:o}/f"][1] == mode
        assert found[f"d{mode:o}"][1] == 0o755
    for mode in (0o777, 0o7777, 0, 0o1777):
        assert found[f"e{mode:o}"][1] == mode
    assert found["p"][1] == 0o666
    assert {os.lstat(tmp_path / "root" / path).st_gid for path in found if path} == {0}


def test_times_of_folders_come_after_their_children(unpack, tmp_path):
    unpack(
        tar_of([
            Made("d", "folder", mtime=11), Made("d/e", "folder", mtime=12), Made("d/e/f", mtime=13),
            Made("d/g", "symlink", "f", mtime=14), Made("./", "folder", mode=0o711, mtime=15),
            Made("late", mtime=16), Made("d/e/.wh.x"), Made("old", mtime=0),
        ])
    )  # fmt: skip
    found = {p: n[3] // 10**9 for p, n in look(str(tmp_path / "root")).items() if ".wh" not in p}
    wanted = {"": 15, "d": 11, "d/e": 12, "d/e/f": 13, "d/g": 14, "late": 16, "old": 0}
    assert {path: found[path] for path in wanted} == wanted
    assert stat.S_IMODE(os.stat(tmp_path / "root").st_mode) == 0o711


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (pax(mtime=b"1600000000.123456789999") + header(b"f"), MTIME * 10**9 + 123456789),
        (pax(mtime=b"1600000000.5") + header(b"f"), MTIME * 10**9 + 500_000_000),
        (pax(mtime=b"-1.25") + header(b"f"), -1_250_000_000),
        (header(b"f", mtime=b"\xff" * 12), -(10**9)),
        (header(b"f", mtime=b"\x80" + bytes(7) + (MTIME).to_bytes(4, "big")), MTIME * 10**9),
        (header(b"f", mtime=b" 13727413000"), int("13727413000", 8) * 10**9),
        (pax(mtime=b"") + header(b"f", mtime=b"00000000007\0"), 7 * 10**9),
    ],
)
def test_times(unpack, tmp_path, block, wanted):
    unpack(block + END)
    assert os.stat(tmp_path / "root/f").st_mtime_ns == wanted


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (header(b"L", b"L", 200) + padded(LONG + b"\0") + header(b"x"), LONG.decode()),
        (header(b"name", prefix=b"a/b"), "a/b/name"),
        (header(b"old", prefix=b"not a prefix", magic=b"ustar  \0"), "old"),
        (pax(path="ü/é".encode()) + header(b"x"), "ü/é"),
        (pax(path=b"second") + pax(path=b"third") + header(b"x"), "third"),
        (header(b"g", b"g", 15) + padded(b"15 path=global\n") + header(b"x"), "x"),
        (header(b"/abs//./x"), "abs/x"),
        (header(b"f", b"\0"), "f"),
        (header(b"f", b"7"), "f"),
    ],
)  # fmt: skip
def test_names(unpack, tmp_path, data, name):
    unpack(data + END)
    assert [p for p, n in look(str(tmp_path / "root")).items() if stat.S_ISREG(n[0])] == [name]


def test_names_that_are_no_text(unpack, tmp_path):
    unpack(header(b"\xff\xfe/x") + header(b"l", b"1", linkname=b"\xff\xfe/x") + END)
    assert os.listdir(os.fsencode(tmp_path / "root") + b"/\xff\xfe") == [b"x"]
    assert os.stat(tmp_path / "root/l").st_nlink == 2


def test_long_links(unpack, tmp_path):
    target = b"t" * 3000
    unpack(header(b"K", b"K", 3001) + padded(target + b"\0") + header(b"s", b"2") + END)
    assert os.readlink(tmp_path / "root/s") == target.decode()


def test_numbers_beyond_octal(unpack, tmp_path):
    big = (1 << 32) - 2
    unpack(
        pax(uid=b"%d" % big, gid=b"3000000000", size=b"3") + header(b"a", size=0) + padded(b"abc")
        + header(b"b", uid=b"\x80" + bytes(3) + big.to_bytes(4, "big")) + END
    )  # fmt: skip
    state = os.stat(tmp_path / "root/a")
    assert (state.st_uid, state.st_gid, state.st_size) == (big, 3000000000, 3)
    assert os.stat(tmp_path / "root/b").st_uid == big


def test_a_size_on_what_has_no_data_is_read_over(unpack, tmp_path):
    unpack(header(b"d", b"5", 4096) + header(b"s", b"2", 9, linkname=b"x") + header(b"f") + END)
    assert sorted(os.listdir(tmp_path / "root")) == ["d", "f", "s"]


def test_devices(unpack, tmp_path):
    unpack(header(b"n", b"3", major=b"0000001\0", minor=b"0000003\0", mode=b"0000666\0")
           + header(b"b", b"4", major=b"0000007\0", minor=b"\x80\0\0\0\0\x01\0\0")
           + header(b"loop0", b"4", major=b"0000000\0", minor=b"0000000\0") + END)  # fmt: skip
    null, block = os.stat(tmp_path / "root/n"), os.stat(tmp_path / "root/b")
    assert (stat.S_IFMT(null.st_mode), null.st_rdev) == (stat.S_IFCHR, os.makedev(1, 3))
    assert (stat.S_IFMT(block.st_mode), block.st_rdev) == (stat.S_IFBLK, os.makedev(7, 65536))


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs GNU tar")
@pytest.mark.parametrize("form", [["gnu"], ["pax", "0.0"], ["pax", "0.1"], ["pax", "1.0"]])
def test_sparse_files_as_gnu_tar_writes_them(unpack, tmp_path, form):
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as file:
        for number in range(40):
            file.seek(number << 20)
            file.write(b"%d" % number * 3000)
        file.truncate(64 << 20)
    (source / "after").write_text("still aligned")
    options = [f"--format={form[0]}", *(f"--sparse-version={v}" for v in form[1:])]
    subprocess.run(["tar", *options, "-S", "-cf", tmp_path / "t", "-C", source, "."], check=True)
    told = unpack((tmp_path / "t").read_bytes())
    for name in ("sparse", "after"):
        assert (tmp_path / "root" / name).read_bytes() == (source / name).read_bytes()
    assert os.stat(tmp_path / "root/sparse").st_blocks * 512 < 4 << 20
    assert told.bytes == (64 << 20) + 13


def test_default_acls_do_not_reach_what_the_layer_itself_makes(unpack, tmp_path):
    if not can_have_acls(tmp_path):
        pytest.skip("no ACLs on this file system")
    folder = pax(SCHILY__xattr__system__posix_acl_default=ACL) + header(
        b"d", b"5", mode=b"0000755\0"
    )
    unpack(folder + tar_of([Made("d/f", mode=0o640), Made("d/e/p", "fifo", mode=0o600)]))
    assert os.getxattr(tmp_path / "root/d", "system.posix_acl_default") == ACL
    for path in ("d/f", "d/e", "d/e/p"):
        assert os.listxattr(tmp_path / "root" / path) == []


def test_a_lower_layers_default_acl_and_setgid_do_not_either(unpack, tmp_path):
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    os.chown(root / "d", 0, 12)
    os.chmod(root / "d", 0o2775)
    acls = can_have_acls(root / "d")
    if acls:
        os.setxattr(root / "d", "system.posix_acl_default", ACL)
    made = [
        Made("d/f", mode=0o640),
        Made("d/p", "fifo", mode=0o600),
        Made("d/e/x"),
        Made("d/s", "symlink", "f"),
    ]
    unpack(tar_of(made), WHITEOUT_UNLINK)
    for path, mode in (("d/f", 0o640), ("d/p", 0o600), ("d/e", 0o755), ("d/e/x", 0o644)):
        state = os.stat(root / path)
        assert (stat.S_IMODE(state.st_mode), state.st_gid) == (mode, 0), path
        assert os.listxattr(root / path) == [], path
    assert os.lstat(root / "d/s").st_gid == 0
    assert stat.S_IMODE(os.stat(root / "d").st_mode) == 0o2775


def test_a_folder_again_has_only_its_new_attributes(unpack, tmp_path):
    first = pax(SCHILY__xattr__user__old=b"1") + header(b"d", b"5") + header(b"d/f")
    unpack(
        first + pax(SCHILY__xattr__user__new=b"2") + header(b"d/", b"5", mode=b"0000700\0") + END
    )
    assert os.listxattr(tmp_path / "root/d") == ["user.new"]
    assert stat.S_IMODE(os.stat(tmp_path / "root/d").st_mode) == 0o700
    assert os.path.exists(tmp_path / "root/d/f")


def test_attributes_that_cannot_be_are_left_out_of_symlinks(unpack, tmp_path):
    unpack(pax(SCHILY__xattr__user__x=b"1") + header(b"s", b"2", linkname=b"x") + END)
    assert os.readlink(tmp_path / "root/s") == "x"


def test_aufs_files_are_left_out(unpack, tmp_path):
    unpack(
        tar_of(
            [
                Made(".wh..wh.plnk", "folder"),
                Made(".wh..wh.plnk/1.2"),
                Made(".wh..wh.aufs"),
                Made("f"),
            ]
        )
    )
    assert os.listdir(tmp_path / "root") == ["f"]


def test_many_folders_are_never_all_open(unpack, tmp_path):
    made = [Made(f"d{n}/e/f") for n in range(3000)]
    before = len(os.listdir("/proc/self/fd"))
    unpack(tar_of(made))
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir(tmp_path / "root")) == 3000


FULL = """
import os, sys
from plugrun.errors import NoSpace
from plugrun.layers.unpack import unpack_layer
from plugrun.linux import mounting, process
process.unshare(process.CLONE_NEWNS)
mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
mounting.mount("tmpfs", sys.argv[2], "tmpfs", 0, sys.argv[3])
try:
    unpack_layer(sys.argv[1], sys.argv[2], "overlayfs")
except NoSpace as error:
    print(error.message)
"""


@pytest.mark.parametrize("options", ["size=256k", "nr_inodes=20"])
def test_a_full_disk(tmp_path, options):
    (tmp_path / "blob").write_bytes(tar_of([Made(f"d/f{n}", data="x" * 20000) for n in range(100)]))
    (tmp_path / "root").mkdir()
    words = [sys.executable, "-c", FULL, tmp_path / "blob", tmp_path / "root", options]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert "cannot unpack entry 'd/f" in done.stdout
    assert "No space left on device" in done.stdout


def test_records_are_as_long_as_they_say():
    assert record(b"k", b"x" * 90) == b"96 k=" + b"x" * 90 + b"\n"
