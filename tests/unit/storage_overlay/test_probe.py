"""Why overlay does not work here: always a reason and a remedy."""

from __future__ import annotations

import os
import subprocess

import pytest
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted
from plugrun_storage_overlay import trial
from plugrun_storage_overlay.plugin import plugrun_open_storage

from tests.filesystems import mounted_filesystem
from tests.unit.storage_overlay.userns import as_mapped_root

pytestmark = pytest.mark.root


def probe_on(mounts, tmp_path):
    """Probe with the root on a file system of its own."""
    place = tmp_path / "place"
    place.mkdir()
    return mounted(mounts, str(place), lambda root: plugrun_open_storage(f"{root}/state").probe())


@pytest.mark.parametrize("flags", [(), ("nosuid", "nodev", "noexec")])
def test_on_tmpfs(tmp_path, flags):
    probe = probe_on((Mount("tmpfs", "tmpfs", flags),), tmp_path)
    assert probe.works, probe
    assert dict(probe.details)["file system"] == "tmpfs"


@pytest.mark.parametrize("kind", ["btrfs", "xfs", "ext4"])
def test_on_a_file_system_that_can(tmp_path, kind):
    with mounted_filesystem(kind, str(tmp_path)) as place:
        probe = plugrun_open_storage(f"{place}/state").probe()
        assert os.listdir(f"{place}/state/t") == []
    assert probe.works, probe
    assert dict(probe.details)["file system"] == kind


def test_on_overlay(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))
    storage.prepare("unpack", None)
    storage.commit("base", "unpack")
    storage.prepare("box", "base")
    probe = probe_on(storage.mounts("box"), tmp_path)
    assert not probe.works
    assert "is on overlayfs, which cannot be the upper layer of another" in probe.reason
    assert "--root" in probe.remedy
    assert "not supported as upperdir" in dict(probe.details)["kernel's words"]


def test_on_fuse(tmp_path):
    for name in ("source", "place"):
        (tmp_path / name).mkdir()
    subprocess.run(["bindfs", tmp_path / "source", tmp_path / "place"], check=True)
    try:
        probe = plugrun_open_storage(f"{tmp_path}/place/state").probe()
    finally:
        subprocess.run(["umount", tmp_path / "place"], check=True)
    assert not probe.works
    assert f"{tmp_path}/place/state is on FUSE, whose server lacks" in probe.reason
    assert "--root" in probe.remedy
    assert "RENAME_WHITEOUT" in dict(probe.details)["kernel's words"]


def test_on_a_read_only_file_system(tmp_path):
    probe = probe_on((Mount("tmpfs", "tmpfs", ("ro",)),), tmp_path)
    assert "cannot be written: Read-only file system" in probe.reason
    assert "mount it read-write" in probe.remedy


def test_on_a_full_file_system(tmp_path):
    probe = probe_on((Mount("tmpfs", "tmpfs", ("nr_inodes=14",)),), tmp_path)
    assert "cannot be written: No space left" in probe.reason
    assert "free some space" in probe.remedy


def test_without_root(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))

    def look():
        os.setuid(65534)
        return storage.probe()

    probe = in_child(look)
    assert (probe.works, probe.reason) == (False, "mounting overlayfs needs root")


def test_as_root_of_a_user_namespace(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))
    assert as_mapped_root(storage.probe).works


def test_in_another_s_mount_namespace(tmp_path, monkeypatch):
    """As in a sandbox that keeps its processes from mounting."""
    storage = plugrun_open_storage(str(tmp_path / "state"))

    def refuse(flags):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(trial.process, "unshare", refuse)
    probe = storage.probe()
    assert (probe.works, probe.reason) == (False, "this process may not mount")
    assert "CAP_SYS_ADMIN" in probe.remedy


def test_a_kernel_without_overlayfs(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "has_overlay", lambda: False)
    probe = plugrun_open_storage(str(tmp_path / "state")).probe()
    assert (probe.works, probe.remedy) == (False, "modprobe overlay")


def test_a_root_whose_marks_cannot_be_read(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))
    storage.prepare("box", None)
    probe = as_mapped_root(storage.probe)
    assert "cannot be read here (in a user namespace" in probe.reason
    assert "--root" in probe.remedy


@pytest.mark.parametrize(
    ("kind", "outcome", "said", "reason", "remedy"),
    [
        ("ext4", trial.NO_OVERLAY, "", "no overlayfs", "modprobe overlay"),
        ("ext4", trial.NO_MOUNTING, "", "may not mount", "CAP_SYS_ADMIN"),
        ("xfs", trial.NO_FILE_TYPES, "", "is on xfs that keeps no file types", "ftype=1"),
        ("nfs4", trial.REFUSED, "upper fs is odd", "is on NFS, which has neither", "--root"),
        ("nfs", trial.WRONG, "", "is on NFS, which has neither", "--root"),
        ("vfat", trial.REFUSED, "", "is on FAT, which has neither file owners", "--root"),
        ("fuse.sshfs", trial.REFUSED, "", "is on FUSE (sshfs), whose server", "--root"),
        ("9p", trial.REFUSED, "odd words", "is on 9p, on which overlayfs is refused: odd", "ext4"),
        ("9p", trial.NO_OPAQUE, "", "is on 9p without extended attributes", "--root"),
        ("ext4", trial.WRONG, "kept", "a trial overlay on ext4", "--root"),
    ],
)
def test_every_outcome_has_a_reason_and_a_remedy(kind, outcome, said, reason, remedy):
    probe = trial.explain("/state", kind, outcome, said)
    assert not probe.works
    assert reason in probe.reason
    assert remedy in probe.remedy


@pytest.mark.parametrize(
    ("lie", "outcome"),
    [
        ((["deleted", "kept", "made", "renewed"], []), trial.NO_FILE_TYPES),
        ((["kept", "made", "renewed"], ["inside"]), trial.NO_OPAQUE),
        ((["kept"], []), trial.WRONG),
    ],
)
def test_a_trial_that_shows_what_it_should_not(tmp_path, monkeypatch, lie, outcome):
    seen = iter(lie)
    monkeypatch.setattr(os, "listdir", lambda path: next(seen))
    for name in ("deleted", "renewed/inside"):
        os.makedirs(tmp_path / name)
    assert trial._look(str(tmp_path))[0] == outcome


def test_a_trial_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_try", lambda *_: os.kill(os.getpid(), 9))
    probe = plugrun_open_storage(str(tmp_path / "state")).probe()
    assert "went wrong" in probe.reason
