"""The protocol's structs, and the table of nodes."""

import os
import stat

import pytest
from plugrun_storage_fuse.server import wire
from plugrun_storage_fuse.server.listing import _renew
from plugrun_storage_fuse.server.nodes import Folder, Table


@pytest.mark.parametrize(
    ("struct", "size"),
    [
        (wire.IN_HEADER, 40),
        (wire.OUT_HEADER, 16),
        (wire.ENTRY_OUT, 128),
        (wire.ATTR_OUT, 104),
        (wire.INIT_OUT, 64),
        (wire.SETATTR_IN, 88),
        (wire.READ_IN, 40),
        (wire.WRITE_IN, 40),
        (wire.OPEN_OUT, 16),
        (wire.STATFS_OUT, 80),
        (wire.COPY_IN, 56),
        (wire.DIRENT, 24),
        (wire.BACKING_MAP, 16),
    ],
)
def test_structs_are_as_long_as_the_kernels(struct, size):
    assert struct.size == size


@pytest.mark.parametrize(("major", "minor"), [(1, 3), (259, 70000), (4095, 1048575), (0, 0)])
def test_device_numbers_go_there_and_back(major, minor):
    device = os.makedev(major, minor)
    packed = wire.encode_dev(device)
    assert packed < 1 << 32
    assert wire.decode_dev(packed) == device


def folder(table, real):
    made = table.add(real, real, stat.S_IFDIR)
    assert isinstance(made, Folder)
    return made


def test_a_node_lives_while_it_or_one_in_it_is_known():
    table = Table()
    root, inner = folder(table, 1), folder(table, 2)
    file = table.add(3, 3, stat.S_IFREG)
    table.name(inner, root, b"d", 0)
    table.name(file, inner, b"f", 0)
    file.lookups = 1
    table.release(inner)
    assert table.by_id[inner.id] is inner
    file.lookups = 0
    table.release(file)
    assert list(table.by_real) == [1]
    assert root.kids == 0


def test_an_inode_with_two_names_outlives_one_of_them():
    table = Table()
    root = folder(table, 1)
    file = table.add(2, 2, stat.S_IFREG)
    file.lookups = 1
    table.name(file, root, b"a", 0)
    table.name(file, root, b"b", 0)
    table.name(file, root, b"b", 0)
    assert root.kids == 2
    table.unname(file, root, b"a")
    assert (file.parent, file.name, file.others) == (root, b"b", [])
    table.unname(file, root, b"b")
    assert (file.parent, root.kids) == (None, 0)


def test_numbers_are_never_used_twice():
    table = Table()
    root = folder(table, 1)
    file = table.add(2, 2, stat.S_IFREG)
    table.name(file, root, b"a", 0)
    was = file.id
    table.release(file)
    assert table.add(2, 2, stat.S_IFREG).id > was


def test_names_keep_their_places_while_others_come_and_go():
    one = folder(Table(), 1)
    _renew(one, [b"a", b"b", b"c"])
    _renew(one, [b"d", b"c", b"a"])
    assert one.listing == [b"a", None, b"c", b"d"]
    _renew(one, [b"b"])
    assert one.listing == [None, None, None, None, b"b"]


def test_places_of_what_has_gone_do_not_pile_up():
    one = folder(Table(), 1)
    for number in range(6000):
        _renew(one, [b"%d" % number])
    assert len(one.listing) < 4200
