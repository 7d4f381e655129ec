"""Copied directories: full disks, killed copies, subvolumes, file systems that cannot."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import time

import pytest
from plugrun.errors import Conflict, NoSpace, NoSuchSnapshot
from plugrun.interfaces.storage import CHANGE_TIMES, WHOLE_IMAGES
from plugrun.snapshots import copying
from plugrun.testing.storage.fixtures import commit_layer
from plugrun.testing.trees import count_entries, write
from plugrun_storage_cow import subvolumes
from plugrun_storage_cow.plugin import plugrun_open_storage

from tests.filesystems import mounted_filesystem

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
_MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory):
    with mounted_filesystem("btrfs", str(tmp_path_factory.mktemp("btrfs"))) as place:
        yield place


@pytest.fixture
def on_btrfs(btrfs):
    return plugrun_open_storage(f"{btrfs}/{os.urandom(4).hex()}")


@pytest.fixture
def storage(tmp_path):
    return plugrun_open_storage(str(tmp_path / "state"))


def test_what_a_snapshot_costs_is_told(storage, on_btrfs, tmp_path):
    assert WHOLE_IMAGES in storage.capabilities
    assert WHOLE_IMAGES not in on_btrfs.capabilities
    assert CHANGE_TIMES in storage.capabilities & on_btrfs.capabilities
    assert not (tmp_path / "state").exists()


# -- a full disk, a copy that is interrupted ----------------------------------------------------


def test_a_full_disk_in_the_middle_of_a_copy(tmp_path):
    with mounted_filesystem("ext4", str(tmp_path), 24 * _MEGABYTE) as place:
        root = f"{place}/state"
        storage = plugrun_open_storage(root)
        storage.prepare("unpack", None)
        for number in range(10):
            write(f"{storage.layer_tree('unpack').path}/{number}", "x" * _MEGABYTE)
        storage.commit("base", "unpack")
        write(f"{place}/filler", "x" * (6 * _MEGABYTE))
        entries, free = count_entries(root), os.statvfs(place).f_bfree
        with pytest.raises(NoSpace) as caught:
            storage.prepare("box", "base")
        assert root in caught.value.message
        assert "free some space" in caught.value.hint
        with pytest.raises(NoSuchSnapshot):
            storage.stat("box")
        assert count_entries(root) == entries
        assert os.statvfs(place).f_bfree >= free - 16
        assert storage.sweep() == 0
        os.unlink(f"{place}/filler")
        storage.prepare("box", "base")


def test_an_interrupted_copy_leaves_nothing(storage, tmp_path, monkeypatch):
    commit_layer(storage, "base", None, "a/file", "b/file")
    entries = count_entries(str(tmp_path / "state"))

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "copy_content", interrupt)
    monkeypatch.setattr(copying, "share_content", interrupt)
    with pytest.raises(KeyboardInterrupt):
        storage.prepare("box", "base")
    assert count_entries(str(tmp_path / "state")) == entries
    assert storage.sweep() == 0


def test_sweeping_waits_for_the_processes_of_a_killed_copy(storage, tmp_path):
    commit_layer(storage, "base", None, "file")
    held = f"{tmp_path}/state/t/copy-dead"
    os.mkdir(f"{tmp_path}/state/l/dead")
    worker = subprocess.Popen(
        ["flock", held, "sh", "-c", f"read go; touch {tmp_path}/state/l/dead/late"],
        stdin=subprocess.PIPE,
    )
    while not _is_locked(held):
        time.sleep(0.01)
    sweep = os.fork()
    if sweep == 0:
        os._exit(storage.sweep())
    worker.communicate(b"go\n")
    _, status = os.waitpid(sweep, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    assert not os.path.exists(f"{tmp_path}/state/l/dead")
    assert worker.returncode == 0


def _is_locked(path):
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_parent_stays_while_it_is_copied(storage, monkeypatch):
    commit_layer(storage, "base", None, "file")
    told = []

    def copy(*_):
        try:
            storage.remove("base")
        except Conflict as error:
            told.append(error.message)

    monkeypatch.setattr(copying, "copy_fresh_tree", copy)
    monkeypatch.setattr("plugrun.api.copy_fresh_tree", copy, raising=False)
    storage.prepare("box", "base")
    assert told == ["snapshot base is being copied"]
    monkeypatch.undo()
    storage.remove("box")
    storage.remove("base")


# -- subvolumes ---------------------------------------------------------------------------------


def test_snapshots_are_subvolumes(on_btrfs):
    commit_layer(on_btrfs, "base", None, "file")
    on_btrfs.prepare("box", "base")
    path = on_btrfs.layer_tree("box").path
    assert subvolumes.is_subvolume(path)
    assert not subvolumes.is_subvolume(f"{path}/file")
    assert not subvolumes.is_subvolume(f"{path}/missing")
    on_btrfs.remove("box")
    assert not os.path.exists(path)


@pytest.mark.parametrize("flags", [(), ("b/two",), ("", "b/two", "a/one/three")])
def test_subvolumes_that_a_container_made_go_too(on_btrfs, flags):
    commit_layer(on_btrfs, "base", None)
    on_btrfs.prepare("box", "base")
    top = on_btrfs.layer_tree("box").path
    os.mkdir(f"{top}/a")
    os.mkdir(f"{top}/b")
    made = ["a/one", "b/two", "a/one/three", "a/one/three/four", *(f"n{i}" for i in range(150))]
    for name in made:
        subvolumes.make_subvolume(f"{top}/{name}")
    for name in flags:
        subprocess.run(["btrfs", "property", "set", f"{top}/{name}", "ro", "true"], check=True)
    on_btrfs.remove("box")
    assert not os.path.exists(top)
    assert on_btrfs.sweep() == 0


def test_subvolumes_inside_each_other_as_deep_as_a_container_likes(on_btrfs):
    on_btrfs.prepare("box", None)
    top = on_btrfs.layer_tree("box").path
    parent = os.open(top, os.O_RDONLY)
    for _ in range(1100):  # more than a recursion may be deep, or there are descriptors
        subvolumes.make_subvolume(f"/proc/self/fd/{parent}/./inner")
        parent, above = os.open("inner", os.O_RDONLY, dir_fd=parent), parent
        os.close(above)
    os.close(parent)
    on_btrfs.remove("box")
    assert not os.path.exists(top)
    assert on_btrfs.sweep() == 0


def test_a_subvolume_deeper_than_a_path_reaches(on_btrfs):
    on_btrfs.prepare("box", None)
    top = on_btrfs.layer_tree("box").path
    parent = os.open(top, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 250, dir_fd=parent)
        parent, above = os.open("d" * 250, os.O_RDONLY, dir_fd=parent), parent
        os.close(above)
    subvolumes.make_subvolume(f"/proc/self/fd/{parent}/./inner")
    os.close(parent)
    on_btrfs.remove("box")
    assert not os.path.exists(top)


def test_a_plain_folder_among_subvolumes_is_copied(on_btrfs, btrfs):
    """As where a root was moved by copying it."""
    commit_layer(on_btrfs, "base", None, "file")
    on_btrfs.prepare("first", "base")
    old = os.path.dirname(on_btrfs.layer_tree("first").path)
    (id,) = set(os.listdir(old)) - {os.path.basename(on_btrfs.layer_tree("first").path)}
    subprocess.run(["cp", "-a", f"{old}/{id}", f"{old}/new"], check=True)
    subvolumes.destroy_subvolume(f"{old}/{id}")
    os.rename(f"{old}/new", f"{old}/{id}")
    on_btrfs.prepare("box", "base")
    assert os.listdir(on_btrfs.layer_tree("box").path) == ["file"]
    for key in ("first", "box", "base"):
        on_btrfs.remove(key)
    assert os.listdir(old) == []


def test_a_subvolume_that_is_gone_is_no_error(btrfs):
    subvolumes.destroy_subvolume(f"{btrfs}/missing")


# -- what the file system can do -------------------------------------------------------------------


def _details(storage):
    probe = storage.probe()
    assert probe.works, probe.reason
    return dict(probe.details)


def test_the_way_of_copying_is_told(on_btrfs, tmp_path):
    assert _details(on_btrfs)["copies"] == "subvolume snapshots"
    assert "quicker on" not in _details(on_btrfs)
    with mounted_filesystem("ext4", str(tmp_path)) as place:
        found = _details(plugrun_open_storage(f"{place}/state"))
        assert found["copies"] == "every byte of every file (copy_file_range)"
        assert "btrfs" in found["quicker on"]


@pytest.mark.parametrize(("options", "way"), [((), "FICLONE"), (("-m", "reflink=0"), "every byte")])
def test_xfs_with_and_without_reflinks(tmp_path, options, way):
    with mounted_filesystem("xfs", str(tmp_path), 320 * _MEGABYTE, *options) as place:
        storage = plugrun_open_storage(f"{place}/state")
        assert way in _details(storage)["copies"]
        commit_layer(storage, "base", None, "file")
        storage.prepare("box", "base")
        with open(f"{storage.layer_tree('box').path}/file", encoding="utf-8") as file:
            assert file.read() == "base"


def test_a_file_system_without_attributes_is_refused(tmp_path):
    subprocess.run(["mount", "-t", "ramfs", "none", tmp_path], check=True)
    try:
        _is_refused(f"{tmp_path}/state", "extended attributes")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_file_system_without_times_is_refused(tmp_path):
    with mounted_filesystem("ext4", str(tmp_path), 0, "-I", "128") as place:
        _is_refused(f"{place}/state", "times to the nanosecond")


def _is_refused(root, what):
    probe = plugrun_open_storage(root).probe()
    assert not probe.works
    assert f"cannot hold {what}" in probe.reason
    assert root in probe.reason
    assert "--root" in probe.remedy
    assert os.listdir(f"{root}/t") == []


@pytest.mark.parametrize("word", ["noexec", "nosuid"])
def test_a_mount_that_containers_would_suffer_from_is_refused(tmp_path, word):
    with mounted_filesystem("ext4", str(tmp_path)) as place:
        subprocess.run(["mount", "-o", f"remount,{word}", place], check=True)
        probe = plugrun_open_storage(f"{place}/state").probe()
        assert not probe.works
        assert word in probe.reason
        assert word in probe.remedy


def test_a_full_disk_is_told_of_an_empty_snapshot_too(storage, monkeypatch):
    storage.prepare("first", None)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "utime", full)
    with pytest.raises(NoSpace):
        storage.prepare("second", None)
    assert [found.key for found in storage.walk()] == ["first"]
