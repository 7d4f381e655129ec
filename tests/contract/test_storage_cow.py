"""Copied directories keep the contract of storage, whichever way their file system copies."""

from __future__ import annotations

import os

import pytest
from plugrun.testing.storage import StorageSuite as Contract
from plugrun_storage_cow.plugin import plugrun_open_storage

from tests.filesystems import mounted_filesystem


class CowContract(Contract):
    @pytest.fixture
    def open_storage(self):
        return plugrun_open_storage


class TestCow(CowContract):
    """On this machine's own file system."""


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory):
    with mounted_filesystem("btrfs", str(tmp_path_factory.mktemp("btrfs"))) as place:
        yield place


@pytest.fixture(scope="module")
def xfs(tmp_path_factory):
    with mounted_filesystem("xfs", str(tmp_path_factory.mktemp("xfs"))) as place:
        yield place


class TestCowOnBtrfs(CowContract):
    """Where snapshots are subvolumes."""

    @pytest.fixture
    def root_path(self, btrfs):
        return f"{btrfs}/{os.urandom(4).hex()}"


class TestCowOnXfs(CowContract):
    """Where contents are shared."""

    @pytest.fixture
    def root_path(self, xfs):
        return f"{xfs}/{os.urandom(4).hex()}"
