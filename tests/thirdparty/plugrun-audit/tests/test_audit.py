"""The audit plugin keeps plugrun's contract, and does what it is for."""

import json

import plugrun_audit.plugin
import pytest
from plugrun.testing.hooks import HooksSuite as Contract


class TestAudit(Contract):
    @pytest.fixture
    def plugin(self):
        return plugrun_audit.plugin

    @pytest.fixture
    def options(self, tmp_path):
        return {"log": str(tmp_path / "log"), "site": "/etc", "forbid": ("evil:latest",)}

    def test_a_line_an_event(self, plugin, options):
        self.test_hears_of_everything(plugin, options, "container", "start")
        with open(options["log"]) as file:
            lines = [json.loads(line) for line in file]
        assert [line["what"] for line in lines] == ["container start"] * 2
