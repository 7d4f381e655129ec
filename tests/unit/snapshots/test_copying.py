"""Trees copied into empty folders: everything kept, in one process or several."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from plugrun.errors import PlugrunError
from plugrun.linux import contents
from plugrun.snapshots import copying, copyworkers
from plugrun.testing.trees import count_entries, facts, fill, write

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_DEFAULT_ACL = bytes.fromhex("02000000 01000700ffffffff 04000500ffffffff 20000500ffffffff")


def copy(source, target, workers=0):
    target.mkdir()
    fds = [os.open(path, _FOLDER) for path in (source, target)]
    try:
        copying.copy_fresh_tree(*fds, workers=workers)
    finally:
        for fd in fds:
            os.close(fd)


@pytest.fixture
def source(tmp_path):
    top = tmp_path / "source"
    top.mkdir()
    fill(str(top))
    for number in range(30):
        (top / f"folder-{number}").mkdir()
        for name in range(30):
            write(f"{top}/folder-{number}/{name}", "x" * number)
        os.link(top / "folder-0" / str(number), top / f"folder-{number}" / "linked")
        os.utime(top / f"folder-{number}", ns=(5, 7))
    os.chown(top, 12, 34)
    os.chmod(top, 0o2751)
    os.utime(top, ns=(5, 7))
    return top


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_everything_is_kept(source, tmp_path, workers):
    copy(source, tmp_path / "target", workers)
    assert facts(str(tmp_path / "target")) == facts(str(source))
    for path in (source, tmp_path / "target"):
        state = path.stat()
        kept = (state.st_mode & 0o7777, state.st_uid, state.st_gid, state.st_mtime_ns)
        assert kept == (0o2751, 12, 34, 7)


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_inherited_from_a_folder(tmp_path, workers):
    (tmp_path / "source" / "inner").mkdir(parents=True)
    for folder in (tmp_path / "source", tmp_path / "source" / "inner"):
        write(f"{folder}/file")
        write(f"{folder}/one")
        os.link(folder / "one", folder / "two")
        os.chown(folder, 0, 7)
        os.chmod(folder, 0o2755)
        os.setxattr(folder, "system.posix_acl_default", _DEFAULT_ACL)
    copy(tmp_path / "source", tmp_path / "target", workers)
    assert facts(str(tmp_path / "target")) == facts(str(tmp_path / "source"))


def test_a_copy_is_no_link(source, tmp_path):
    copy(source, tmp_path / "target")
    (tmp_path / "target" / "plain").write_text("changed")
    assert (source / "plain").read_text() == "plain"


def test_a_tree_deeper_than_there_are_descriptors(tmp_path):
    fd = os.open(tmp_path, _FOLDER)
    os.mkdir("source", dir_fd=fd)
    for name in ("source", *("d" * 10 for _ in range(1500))):
        deeper = os.open(name, _FOLDER, dir_fd=fd)
        os.close(fd)
        fd = deeper
        os.mkdir("d" * 10, dir_fd=fd)
    os.close(fd)
    copy(tmp_path / "source", tmp_path / "target")
    assert _depth(tmp_path / "target") == _depth(tmp_path / "source") == 1501


def _depth(top):
    count, fd = 0, os.open(top, _FOLDER)
    while names := os.listdir(fd):
        deeper = os.open(names[0], _FOLDER, dir_fd=fd)
        os.close(fd)
        fd, count = deeper, count + 1
    os.close(fd)
    return count


def test_a_symlink_in_the_place_of_the_copy_is_not_followed(source, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "target").mkdir()
    fds = [os.open(path, _FOLDER) for path in (source, tmp_path / "target")]
    made = copying.TreeCopy(*fds)
    made.make_folders()
    (tmp_path / "target" / "folder-3").rmdir()
    os.symlink(tmp_path / "outside", tmp_path / "target" / "folder-3")
    with pytest.raises(OSError, match="symbolic"):
        made.fill(range(made.count))
    assert count_entries(str(tmp_path / "outside")) == 0
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_another_process_is_raised_here(source, tmp_path, monkeypatch, number):
    parent = os.getpid()
    utime = os.utime

    def fail(*args, **kwargs):
        if os.getpid() != parent:
            raise OSError(number, os.strerror(number))
        utime(*args, **kwargs)

    _only_children_work(monkeypatch, parent)
    monkeypatch.setattr(os, "utime", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        copy(source, tmp_path / "target", 2)
    assert caught.value.errno == number
    _no_child_is_left()


def test_a_killed_process_is_told(source, tmp_path, monkeypatch):
    parent = os.getpid()
    _only_children_work(monkeypatch, parent)
    monkeypatch.setattr(os, "utime", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(PlugrunError, match="killed"):
        copy(source, tmp_path / "target", 3)
    _no_child_is_left()


def _only_children_work(monkeypatch, parent):
    work = copyworkers._work
    monkeypatch.setattr(
        copyworkers, "_work", lambda *args: work(*args) if os.getpid() != parent else []
    )


def _no_child_is_left():
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_batches_are_all_folders_in_order():
    for weights in ([1], [100] * 7, [1] * 5000, [5_000_000, 1, 1]):
        batches = copyworkers._batches(weights)
        assert [n for batch in batches for n in batch] == list(range(len(weights)))
        assert len(batches) <= 1001


# -- contents --------------------------------------------------------------------------------


@pytest.fixture
def holes(tmp_path):
    path = tmp_path / "holes"
    with open(path, "wb") as file:
        file.truncate(50 << 20)
        for offset in (0, 5 << 20, (50 << 20) - 10):
            file.seek(offset)
            file.write(b"data" * 1000 if offset < 50 << 19 else b"0123456789")
    return path


def _copy_content(source, target):
    with open(source, "rb", buffering=0) as read, open(target, "wb", buffering=0) as made:
        contents.copy_content(read.fileno(), made.fileno(), os.fstat(read.fileno()))


@pytest.mark.parametrize("refused", [0, errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_contents_and_holes_whatever_the_kernel_refuses(holes, tmp_path, monkeypatch, refused):
    if refused:

        def refuse(*_):
            raise OSError(refused, os.strerror(refused))

        monkeypatch.setattr(os, "copy_file_range", refuse)
    _copy_content(holes, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == holes.read_bytes()
    assert (tmp_path / "copy").stat().st_blocks <= holes.stat().st_blocks + 16


def test_a_kernel_that_stops_in_the_middle_loses_nothing(tmp_path, monkeypatch):
    (tmp_path / "big").write_bytes(bytes(range(256)) * 20_000)
    real, calls = os.copy_file_range, []

    def some(source, target, count, *offsets):
        calls.append(count)
        return real(source, target, 1000, *offsets) if len(calls) < 3 else 0

    monkeypatch.setattr(os, "copy_file_range", some)
    _copy_content(tmp_path / "big", tmp_path / "copy")
    assert len(calls) == 3
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "big").read_bytes()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_other_errors_are_told(tmp_path, monkeypatch, number):
    (tmp_path / "big").write_bytes(bytes(3 << 20))

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", fail)
    with pytest.raises(OSError, match=os.strerror(number)):
        _copy_content(tmp_path / "big", tmp_path / "copy")


def test_a_file_that_shrinks_is_told(tmp_path):
    (tmp_path / "big").write_bytes(bytes(3 << 20))
    with open(tmp_path / "big", "r+b", buffering=0) as read:
        state = os.fstat(read.fileno())
        read.truncate(1 << 20)
        with (
            open(tmp_path / "copy", "wb", buffering=0) as made,
            pytest.raises(OSError, match="ends at"),
        ):
            contents.copy_content(read.fileno(), made.fileno(), state)
