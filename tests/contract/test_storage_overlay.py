"""Kernel overlayfs keeps the contract of storage, whatever file system is beneath it."""

from __future__ import annotations

import os

import pytest
from plugrun.testing.storage import StorageSuite as Contract
from plugrun_storage_overlay.plugin import plugrun_open_storage

from tests.filesystems import mounted_filesystem
from tests.held import held_folder


class OverlayContract(Contract):
    @pytest.fixture
    def open_storage(self):
        return plugrun_open_storage


class TestOverlay(OverlayContract):
    """On this machine's own file system."""


class _Elsewhere(OverlayContract):
    # It is the kernel's union above them all, and once is long. (btrfs shows in an open folder no
    # names that were made later; a union there does, as POSIX allows.)
    test_a_union_is_as_a_plain_folder = None


class _OnFilesystem(_Elsewhere):
    kind = ""

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory):
        with mounted_filesystem(cls.kind, str(tmp_path_factory.mktemp(cls.kind))) as place:
            yield place

    @pytest.fixture
    def root_path(self, place):
        return f"{place}/{os.urandom(4).hex()}"


class TestOverlayOnXfs(_OnFilesystem):
    """Where a layer may share blocks with what it was copied up from."""

    kind = "xfs"


class TestOverlayOnBtrfs(_OnFilesystem):
    """Where folders have no link counts."""

    kind = "btrfs"


class TestOverlayOnTmpfs(_Elsewhere):
    """Where nothing is kept, and inodes are numbered from one."""

    @pytest.fixture
    def root_path(self):
        with held_folder("inmemory", "/dev/shm") as path:
            yield f"{path}/state"


class TestOverlayWithUserMarks(_Elsewhere):
    """As in a user namespace, but for what is asked of the kernel beside it."""

    @pytest.fixture
    def open_storage(self, root_path):
        os.makedirs(root_path, 0o700, exist_ok=True)
        with open(f"{root_path}/marks", "w") as file:
            file.write("user\n")
        return plugrun_open_storage
