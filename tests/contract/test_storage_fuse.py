"""The union through FUSE keeps the contract of storage."""

from __future__ import annotations

import pytest
from plugrun.testing.storage import StorageSuite as Contract
from plugrun_storage_fuse.plugin import plugrun_open_storage


@pytest.mark.timeout(400)  # each random act is a request to a program
class TestFuse(Contract):
    @pytest.fixture
    def open_storage(self):
        return plugrun_open_storage
