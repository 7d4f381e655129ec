"""Why overlay does not work here: always a reason and a remedy."""

from __future__ import annotations

import errno
import os

import pytest
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted
from plugrun_storage_overlay import trial
from plugrun_storage_overlay.plugin import plugrun_open_storage

pytestmark = pytest.mark.root


def probe_on(mounts, tmp_path):
    """Probe with the root on a file system of its own."""
    place = tmp_path / "place"
    place.mkdir()
    return mounted(mounts, str(place), lambda root: plugrun_open_storage(f"{root}/state").probe())


def test_on_tmpfs(tmp_path):
    probe = probe_on((Mount("tmpfs", "tmpfs"),), tmp_path)
    assert probe.works
    assert dict(probe.details)["file system"] == "tmpfs"


def test_on_overlay(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))
    storage.prepare("unpack", None)
    storage.commit("base", "unpack")
    storage.prepare("box", "base")
    probe = probe_on(storage.mounts("box"), tmp_path)
    assert not probe.works
    assert "is on overlayfs, which overlayfs cannot write its upper layer to" in probe.reason
    assert "--root" in probe.remedy


def test_on_a_read_only_file_system(tmp_path):
    probe = probe_on((Mount("tmpfs", "tmpfs", ("ro",)),), tmp_path)
    assert "cannot be written: Read-only file system" in probe.reason


def test_without_root(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))

    def look():
        os.setuid(65534)
        return storage.probe()

    probe = in_child(look)
    assert (probe.works, probe.reason) == (False, "mounting overlayfs needs root")


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        (errno.ENODEV, "no overlayfs", "modprobe overlay"),
        (errno.EPERM, "may not mount", "CAP_SYS_ADMIN"),
        (errno.EINVAL, "cannot write its upper layer", "--root"),
        (trial._NO_FILE_TYPES, "d_type", "ftype=1"),
        (trial._WRONG, "went wrong", "--root"),
        (-9, "went wrong", "--root"),
        (errno.EIO, "Input/output error", "dmesg"),
    ],
)
def test_every_outcome_has_a_reason_and_a_remedy(tmp_path, code, reason, remedy):
    probe = trial._explain(str(tmp_path), code)
    assert not probe.works
    assert reason in probe.reason
    assert remedy in probe.remedy
    assert "nvalid argument" not in probe.reason
