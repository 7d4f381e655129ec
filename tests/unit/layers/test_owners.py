"""Owners of entries that are read from, or put into, a user namespace's tree."""

from __future__ import annotations

import struct

import pytest
from plugrun.layers.entry import Entry
from plugrun.layers.owners import of_namespace, put_outside, show_inside
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
