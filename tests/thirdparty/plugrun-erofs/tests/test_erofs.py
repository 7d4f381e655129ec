"""The storage keeps plugrun's contract."""

import pytest
from plugrun.testing.storage import StorageSuite as Contract
from plugrun_erofs.plugin import plugrun_open_storage


class TestErofsStorage(Contract):
    @pytest.fixture
    def open_storage(self):
        return plugrun_open_storage
