"""Why the union does not work here: always a reason and a remedy."""

from __future__ import annotations

import errno
import os

import pytest
from plugrun.linux import serving
from plugrun.model.mount import Mount
from plugrun.testing.forked import in_child, mounted
from plugrun_storage_fuse import trial
from plugrun_storage_fuse.plugin import plugrun_open_storage
from plugrun_storage_overlay.plugin import plugrun_open_storage as open_overlay

pytestmark = pytest.mark.root


def probe_on(mounts, tmp_path):
    """Probe with the root on a file system of its own."""
    place = tmp_path / "place"
    place.mkdir()
    return mounted(mounts, str(place), lambda root: plugrun_open_storage(f"{root}/state").probe())


@pytest.fixture
def fails(monkeypatch):
    """Let a function of ``os`` fail, as a file system does that cannot do it."""

    def let_fail(name, number):
        def refuse(*args, **kwargs):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, name, refuse)

    return let_fail


def test_a_file_system_without_xattrs(tmp_path):
    probe = probe_on((Mount("ramfs", "ramfs"),), tmp_path)
    assert not probe.works
    assert "keeps no trusted xattrs: Operation not supported" in probe.reason
    assert f"{tmp_path}/place/state, on a file system of type 0x858458f6" in probe.reason
    assert "--root" in probe.remedy


def test_a_file_system_without_whiteouts(tmp_path):
    storage = open_overlay(str(tmp_path / "overlay"))
    storage.prepare("unpack", None)
    storage.commit("base", "unpack")
    storage.prepare("box", "base")
    probe = probe_on(storage.mounts("box"), tmp_path)
    assert not probe.works
    assert "on overlayfs, keeps no " in probe.reason
    assert "--root" in probe.remedy


def test_a_file_system_without_device_nodes(tmp_path, fails):
    fails("mknod", errno.EPERM)
    probe = plugrun_open_storage(str(tmp_path / "state")).probe()
    assert not probe.works
    assert probe.reason.endswith("keeps no device nodes: Operation not permitted")


def test_a_read_only_file_system(tmp_path):
    probe = probe_on((Mount("tmpfs", "tmpfs", ("ro",)),), tmp_path)
    assert "cannot be written: Read-only file system" in probe.reason


def test_without_root(tmp_path):
    storage = plugrun_open_storage(str(tmp_path / "state"))

    def look():
        os.setuid(65534)
        return storage.probe()

    probe = in_child(look)
    assert (probe.works, probe.reason) == (False, "serving a file system needs root")


def test_without_the_device(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "DEVICE", str(tmp_path / "fuse"))
    storage = plugrun_open_storage(str(tmp_path / "state"))
    probe = storage.probe()
    assert (probe.works, probe.reason) == (False, f"there is no {tmp_path}/fuse")
    assert "modprobe fuse" in probe.remedy
    assert os.listdir(f"{tmp_path}/state/t") == []


def test_a_program_that_does_not_start_is_quoted(tmp_path, monkeypatch):
    command = ("/bin/sh", "-c", "echo no such module >&2")
    monkeypatch.setattr(trial, "argv", lambda *_: command)
    probe = plugrun_open_storage(str(tmp_path / "state")).probe()
    assert not probe.works
    assert probe.reason.endswith("ended: no such module")


@pytest.mark.parametrize("code", [errno.EIO, trial._WRONG, -9])
def test_every_other_outcome_has_a_reason_and_a_remedy(tmp_path, code):
    probe = trial._explained(str(tmp_path), trial._reason(code))
    assert not probe.works
    assert f"a trial union in {tmp_path}, on " in probe.reason
    assert "--root" in probe.remedy
