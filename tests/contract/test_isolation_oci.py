"""An installed OCI runtime keeps the contract of isolation."""

from __future__ import annotations

import os
from itertools import chain

import pytest
from plugrun.cgroups.cgroupfs import hierarchies
from plugrun.testing.isolation import Bundle
from plugrun.testing.isolation import IsolationSuite as Contract
from plugrun_isolation_oci.plugin import plugrun_open_isolation, plugrun_options

PARENT = f"plugrun-contract-oci-{os.getpid()}"
RUNTIME = os.environ.get("PLUGRUN_TEST_RUNTIME", "runc")


@pytest.fixture(scope="module", autouse=True)
def works(tmp_path_factory):
    state = str(tmp_path_factory.mktemp("probe"))
    options = {"runtime": RUNTIME, "cgroup_parent": PARENT}
    found = plugrun_open_isolation(state, options).probe()
    if not found.works:
        pytest.skip(f"{found.reason} ({found.remedy})")
    assert os.listdir(state) == [".runtime"]
    assert dict(found.details)["version"].startswith(RUNTIME)


class TestRuntime(Contract):
    @pytest.fixture
    def isolation(self, tmp_path):
        options = {"runtime": RUNTIME, "cgroup_parent": PARENT}
        made = plugrun_open_isolation(str(tmp_path / "state"), options)
        yield made
        parents = [h.mountpoint + f"/{PARENT}" for h in hierarchies()]
        parents = [folder for folder in parents if os.path.isdir(folder)]
        left = [entry.path for entry in chain(*map(os.scandir, parents)) if entry.is_dir()]
        assert left == []
        for folder in parents:
            os.rmdir(folder)

    def test_state_is_all_beneath_its_folder(self, bundle: Bundle, tmp_path):
        bundle.shell("true")
        assert os.listdir(tmp_path / "state") == [".runtime"]
        assert os.listdir(tmp_path / "state" / ".runtime") == []

    def test_options(self):
        names = {option.name for option in plugrun_options()}
        assert names == {"runtime", "arguments", "cgroup_parent"}
