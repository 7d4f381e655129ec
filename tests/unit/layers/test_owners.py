"""Owners of entries that are read from, or put into, a user namespace's tree."""

from __future__ import annotations

import os
import struct
import subprocess

import pytest
from plugrun.layers.entry import Entry
from plugrun.layers.owners import (
    give_outside,
    of_namespace,
    put_outside,
    show_inside,
    state_outside,
)
from plugrun.model.idmap import IdMap, IdRange

IDS = IdMap((IdRange(0, 1000, 100),), (IdRange(0, 5000, 100),))
CAPABILITY = "security.capability"
SETS = bytes(range(16))
PLAIN = struct.pack("<I", 0x02000001) + SETS


def entry(uid: int, gid: int, **xattrs: bytes) -> Entry:
    made = Entry()
    made.uid, made.gid = uid, gid
    made.xattrs = {name.replace("__", "."): value for name, value in xattrs.items()} or None
    return made


def of_root(id: int) -> bytes:
    return struct.pack("<I", 0x03000001) + SETS + struct.pack("<I", id)


def test_owners_go_both_ways() -> None:
    one = entry(1003, 5004)
    show_inside(one, IDS)
    assert (one.uid, one.gid) == (3, 4)
    assert put_outside(one, IDS)
    assert (one.uid, one.gid) == (1003, 5004)
    assert not put_outside(entry(100, 0), IDS)
    assert not put_outside(entry(0, 100), IDS)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (of_root(1000), PLAIN),
        (of_root(1007), of_root(7)),
        (of_root(0), of_root(65534)),
        (PLAIN, PLAIN),
        (b"\x03", b"\x03"),
        (b"", b""),
    ],
)
def test_capabilities_inside(raw: bytes, shown: bytes) -> None:
    one = entry(1000, 5000, security__capability=raw)
    show_inside(one, IDS)
    assert one.xattrs == {CAPABILITY: shown}


def test_capabilities_outside() -> None:
    assert of_namespace(PLAIN, IDS) == of_root(1000)
    assert of_namespace(of_root(5), IDS) == of_root(5)
    one = entry(0, 0, security__capability=PLAIN, user__x=b"y")
    before = one.xattrs
    assert put_outside(one, IDS)
    assert one.xattrs == {CAPABILITY: of_root(1000), "user.x": b"y"}
    assert before == {CAPABILITY: PLAIN, "user.x": b"y"}


def test_an_acl() -> None:
    def acl(user: int, group: int) -> bytes:
        rows = ((0x01, 6, 2**32 - 1), (0x02, 4, user), (0x08, 4, group), (0x10, 6, 2**32 - 1))
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)

    one = entry(1000, 5000, system__posix_acl_access=acl(1007, 5008))
    show_inside(one, IDS)
    assert one.xattrs == {"system.posix_acl_access": acl(7, 8)}
    broken = entry(1000, 5000, system__posix_acl_access=b"12345")
    show_inside(broken, IDS)
    assert broken.xattrs == {"system.posix_acl_access": b"12345"}


@pytest.fixture
def tree(tmp_path) -> str:
    """A folder with files of several owners; a name outside of the mapping and one file twice."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (tmp_path / "sub").mkdir()
    os.chmod(tmp_path / "sub", 0o2755)
    for name, owner in (("a", (3, 4)), ("sub/far", (100, 2)), ("set", (0, 0))):
        (tmp_path / name).write_text(name)
        os.chown(tmp_path / name, *owner)
    os.chmod(tmp_path / "set", 0o4750)
    os.setxattr(tmp_path / "set", CAPABILITY, PLAIN)
    os.link(tmp_path / "a", tmp_path / "sub/again")
    os.symlink("/etc/shadow", tmp_path / "link")
    os.lchown(tmp_path / "link", 5, 6)
    os.mkfifo(tmp_path / "fifo")
    os.utime(tmp_path / "a", ns=(1, 10**18 + 7))
    return str(tmp_path)


def owners(tree: str, *names: str) -> list[tuple[int, int]]:
    states = [os.lstat(f"{tree}/{name}") for name in names]
    return [(state.st_uid, state.st_gid) for state in states]


def test_a_tree_is_given_away_once(tree: str) -> None:
    before = os.stat(f"{tree}/a")
    root = os.open(tree, os.O_RDONLY)
    give_outside(root, IDS)
    os.close(root)
    assert owners(tree, "", "a", "sub/again", "link", "fifo") == [
        *((1000, 5000), (1003, 5004), (1003, 5004), (1005, 5006), (1000, 5000)),
    ]
    assert owners(tree, "sub/far", "sub") == [(100, 5002), (1000, 5000)]
    found = os.stat(f"{tree}/set")
    assert found.st_mode & 0o7777 == 0o4750
    assert os.getxattr(f"{tree}/set", CAPABILITY) in (of_root(1000), PLAIN)
    assert os.stat(f"{tree}/sub").st_mode & 0o7777 == 0o2755
    after = os.stat(f"{tree}/a")
    assert (after.st_mtime_ns, after.st_ino, after.st_nlink) == (10**18 + 7, before.st_ino, 2)
    assert owners("/etc", "shadow")[0][0] == 0


def test_overlapping_ranges_are_gone_through_once(tree: str) -> None:
    by_one = IdMap((IdRange(0, 1, 100),), (IdRange(0, 1, 100),))
    root = os.open(tree, os.O_RDONLY)
    give_outside(root, by_one)
    os.close(root)
    assert owners(tree, "a", "sub/again", "set") == [(4, 5), (4, 5), (1, 1)]


def test_a_union_parts_names_of_one_file(tree: str, tmp_path_factory) -> None:
    top = tmp_path_factory.mktemp("union")
    for name in ("upper", "work", "place"):
        (top / name).mkdir()
    options = f"lowerdir={tree},upperdir={top}/upper,workdir={top}/work,index=off"
    subprocess.run(["mount", "-t", "overlay", "o", "-o", options, f"{top}/place"], check=True)
    try:
        root = os.open(top / "place", os.O_RDONLY)
        give_outside(root, IDS)
        os.close(root)
        assert owners(f"{top}/place", "a", "sub/again") == [(1003, 5004), (1003, 5004)]
    finally:
        subprocess.run(["umount", f"{top}/place"], check=True)
    assert owners(tree, "a") == [(3, 4)]


def test_a_state_as_it_will_be(tree: str) -> None:
    before = os.lstat(f"{tree}/a")
    shown = state_outside(before, IDS)
    assert (shown.st_uid, shown.st_gid) == (1003, 5004)
    for name in ("st_mode", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_rdev"):
        assert getattr(shown, name) == getattr(before, name)
    far = state_outside(os.lstat(f"{tree}/sub/far"), IDS)
    assert (far.st_uid, far.st_gid) == (100, 5002)
