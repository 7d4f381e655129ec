"""A tree as a tar stream: read by Python's tarfile, and unpacked it is the same tree."""

from __future__ import annotations

import io
import os
import socket
import stat
import tarfile

import pytest
from plugrun.interfaces.storage import WHITEOUT_UNLINK
from plugrun.layers.archive import archive_tree
from plugrun.layers.tarheader import header, new_entry
from plugrun.layers.tarsink import TarSink
from plugrun.layers.unpack import unpack_layer
from plugrun.testing import trees

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def archived(root: str, path: str, *, hashed: bool = False) -> str:
    """Archive a tree into a file; return the digest, if it was asked for."""
    fd = os.open(root, os.O_RDONLY)
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        sink = TarSink(out, hashed=hashed)
        archive_tree(fd, sink)
        assert sink.written == os.fstat(out).st_size
        return sink.digest if hashed else ""
    finally:
        os.close(fd)
        os.close(out)


def fill(root: str) -> None:
    """Everything but what a layer cannot hold, at whole seconds."""
    trees.fill(root)
    os.unlink(f"{root}/.wh.not-a-whiteout-here")
    top = next(name for name in os.listdir(root) if name.startswith("0" * 99))
    _remove_deep(root, top)
    for folder, folders, files in os.walk(os.fsencode(root), topdown=False):
        for name in folders + files:
            os.utime(folder + b"/" + name, (10**9, 10**9), follow_symlinks=False)


def _remove_deep(root: str, top: str) -> None:
    """It is deeper than a layer's name may be."""
    fd = os.open(root, os.O_RDONLY)
    chain = [fd]
    while True:
        names = os.listdir(chain[-1]) if len(chain) > 1 else [top]
        if not names or names == ["bottom"]:
            break
        chain.append(os.open(names[0], os.O_RDONLY, dir_fd=chain[-1]))
    os.unlink("bottom", dir_fd=chain[-1])
    for parent, fd in zip(chain[-2::-1], chain[:0:-1], strict=True):
        [name] = os.listdir(parent) if parent != chain[0] else [top]
        os.rmdir(name, dir_fd=parent)
        os.close(fd)
    os.close(chain[0])


def test_everything_a_tree_can_hold_comes_back(tmp_path):
    for name in ("tree", "again"):
        (tmp_path / name).mkdir()
    fill(str(tmp_path / "tree"))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "tree/socket"))
    digest = archived(str(tmp_path / "tree"), str(tmp_path / "one.tar"), hashed=True)
    archived(str(tmp_path / "tree"), str(tmp_path / "two.tar"))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    done = unpack_layer(str(tmp_path / "one.tar"), str(tmp_path / "again"), WHITEOUT_UNLINK)
    assert done.diff_id == digest
    wanted = trees.facts(str(tmp_path / "tree"))
    del wanted["socket"]
    assert trees.facts(str(tmp_path / "again")) == wanted
    assert os.stat(tmp_path / "one.tar").st_size < 1 << 20  # holes are not written


def test_other_programs_read_it(tmp_path):
    (tmp_path / "tree").mkdir()
    fill(str(tmp_path / "tree"))
    archived(str(tmp_path / "tree"), str(tmp_path / "one.tar"))
    with tarfile.open(tmp_path / "one.tar") as archive:
        found = {member.name: member for member in archive}
        sparse = archive.extractfile(found["holes"]).read()
    assert len(sparse) == 1 << 24 and sparse[1 << 23 :].startswith(b"in the middle")
    assert found["setuid"].mode == 0o4755
    assert found["setgid"].uid == 7 and found["setgid"].mode == 0o2755
    assert found["plain"].linkname == "hard-link"
    assert "n" * 255 in found and "ünï-日本" in found and "new\nline" in found
    assert (found["null"].type, found["null"].devminor) == (tarfile.CHRTYPE, 3)
    assert found["setuid"].pax_headers["SCHILY.xattr.user.binary"]


def test_a_deep_tree_and_few_descriptors(tmp_path):
    import resource

    depth = 900
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        out = os.memfd_create("deep")
        root = os.open(tmp_path, os.O_RDONLY)
        archive_tree(root, TarSink(out))
        os.close(root)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    os.lseek(out, 0, os.SEEK_SET)
    with io.FileIO(out) as file, tarfile.open(fileobj=file) as archive:
        assert len(archive.getnames()) == depth


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", b"a" * 100),
        ("name", b"a" * 101),
        ("name", b"d/" * 400 + b"x"),
        ("linkname", b"t" * 300),
        ("uid", 0o7777777 + 1),
        ("gid", (1 << 32) - 2),
        ("mtime_ns", -5_000_000_000),
        ("mtime_ns", (0o77777777777 + 9) * 10**9),
        ("stored", 0o77777777777 + 1),
    ],
)
def test_numbers_and_names_that_ustar_cannot_hold(field, value):
    entry = new_entry(b"name", tarfile.SYMTYPE if field == "linkname" else tarfile.REGTYPE)
    setattr(entry, field, value)
    entry.size = entry.stored
    with tarfile.open(fileobj=io.BytesIO(header(entry) + bytes(1024)), mode="r|") as archive:
        found = archive.next()
    seen = {
        "name": found.name.encode(),
        "linkname": found.linkname.encode(),
        "uid": found.uid,
        "gid": found.gid,
        "mtime_ns": int(found.mtime) * 10**9,
        "stored": found.size,
    }
    assert seen[field] == value


def test_a_file_that_shrinks_is_filled_up(tmp_path):
    (tmp_path / "file").write_bytes(b"short")
    entry = new_entry(b"file")
    entry.size = entry.stored = 2000
    out = os.memfd_create("tar")
    data = os.open(tmp_path / "file", os.O_RDONLY)
    sink = TarSink(out)
    sink.add(entry, data)
    sink.finish()
    os.close(data)
    os.lseek(out, 0, os.SEEK_SET)
    with io.FileIO(out) as file, tarfile.open(fileobj=file) as archive:
        assert archive.extractfile("file").read() == b"short" + bytes(1995)


def test_what_is_swapped_for_a_fifo_is_not_opened(tmp_path):
    from plugrun.layers.treeread import Node, Reader, open_regular

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"x")
    fd = os.open(tmp_path, os.O_RDONLY)
    state = os.stat(tmp_path / "file")
    assert stat.S_ISREG(state.st_mode)
    assert open_regular(fd, b"fifo") == -1
    assert Reader().read(Node(b"fifo", fd, b"fifo", state), b"fifo") is None
    assert Reader().read(Node(b"gone", fd, b"gone", state), b"gone") is None
    os.close(fd)
