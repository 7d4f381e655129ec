"""Namespaces and cgroups keep the contract of isolation."""

from __future__ import annotations

import os

import pytest
from plugrun.testing.isolation import Bundle, default_spec
from plugrun.testing.isolation import IsolationSuite as Contract
from plugrun_isolation_ns.plugin import plugrun_open_isolation, plugrun_options

PARENT = "plugrun-contract"


class TestNamespaces(Contract):
    @pytest.fixture
    def isolation(self, tmp_path):
        parent = f"{PARENT}-{os.getpid()}"
        yield plugrun_open_isolation(str(tmp_path / "state"), {"cgroup_parent": parent})
        left = []
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            if parent in names:
                inside = os.path.join(folder, parent)
                left += [entry.path for entry in os.scandir(inside) if entry.is_dir()]
                if not left:
                    os.rmdir(inside)
                names.remove(parent)
        assert left == []

    def test_state_is_all_beneath_its_folder(self, isolation, bundle: Bundle, tmp_path):
        bundle.shell("true")
        assert os.listdir(tmp_path / "state") == [".seccomp"]

    def test_options(self):
        assert {option.name for option in plugrun_options()} == {"cgroup_version", "cgroup_parent"}

    def test_a_foreign_cgroup_is_left_alone(self, bundle: Bundle):
        found = bundle.isolation.create
        spec = default_spec(["true"])
        task, reader = bundle.create(spec)
        with open(f"/proc/{task.pid}/cgroup", encoding="utf-8") as stream:
            assert PARENT in stream.read()
        os.close(reader)
        assert found
